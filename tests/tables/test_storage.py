"""Small files beside an output: whole or not there, on this machine and in an object store alike."""

import threading

import pytest

from bert_spark.errors import SetupError
from bert_spark.tables.storage import Folder


@pytest.fixture(params=["local", "store"])
def folder(request, tmp_path):
    """Return a folder that is not there yet, of this machine, or of fsspec's store in memory."""
    if request.param == "local":
        return Folder(str(tmp_path / "state"))
    return Folder(f"memory://{tmp_path.name}")


def test_a_folder_that_is_not_there_is_empty(folder):
    assert folder.names() == []
    assert folder.read("a.json") is None
    assert not folder.exists("a.json")
    folder.remove("a.json")


def test_what_is_written_is_read_and_written_over(folder):
    folder.write("a.json", "one")
    folder.write("a.json", "zwei ü")
    assert folder.read("a.json") == "zwei ü"
    assert folder.names() == ["a.json"]
    assert folder.exists("a.json")


def test_a_file_is_created_once(folder):
    assert folder.create("lock", "first")
    assert not folder.create("lock", "second")
    assert folder.read("lock") == "first"


def test_of_many_who_create_at_once_one_does(tmp_path):
    folder, won, ready = Folder(str(tmp_path)), [], threading.Barrier(8)

    def run(number):
        ready.wait()
        if folder.create("lock", str(number)):
            won.append(str(number))

    threads = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [folder.read("lock")]


def test_a_reader_never_sees_half_of_a_file(tmp_path):
    folder, texts = Folder(str(tmp_path)), ["a" * 100_000, "b" * 100_000]
    folder.write("state", texts[0])
    end = threading.Event()

    def write():
        while not end.is_set():
            for text in texts:
                folder.write("state", text)

    thread = threading.Thread(target=write)
    thread.start()
    seen = {folder.read("state") for _ in range(300)}
    end.set()
    thread.join()
    assert seen <= set(texts)
    assert folder.names() == ["state"]


def test_folders_are_named_and_removed_with_all_in_them(folder):
    (folder / "a" / "b").write("c", "1")
    folder.write("d", "2")
    assert folder.names() == ["a", "d"]
    folder.remove("a")
    assert folder.names() == ["d"]


def test_a_kind_of_address_nobody_knows_is_named():
    with pytest.raises(SetupError, match=r"can't reach 'nowhere://x' from here .* or set --work"):
        Folder("nowhere://x")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("dbfs:/Volumes/main/tweets/state", "/Volumes/main/tweets/state"),
        ("dbfs:/tweets/state", "/dbfs/tweets/state"),
        ("file:/tweets/state", "/tweets/state"),
    ],
)
def test_storage_of_databricks_is_reached_as_folders(address, path):
    assert Folder(address)._path == path


def test_an_address_that_would_become_a_folder_of_that_name_here_is_refused():
    with pytest.raises(SetupError, match="set --work to a folder that can be reached"):
        Folder("wasbs:/container/state")
