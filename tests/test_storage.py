"""Small files beside an output: complete or absent, on a local disk and in an object store."""

import contextlib
import threading

import pytest

from bert_spark.errors import SetupError
from bert_spark.storage import Folder


@pytest.fixture(params=["local", "store"])
def folder(request, tmp_path):
    """Return a folder that does not exist yet, on the local disk or in fsspec's memory store."""
    if request.param == "local":
        return Folder(str(tmp_path / "state"))
    return Folder(f"memory://{tmp_path.name}")


def test_a_folder_that_does_not_exist_is_empty(folder):
    assert folder.names() == []
    assert folder.read("a.json") is None
    assert not folder.exists("a.json")
    folder.remove("a.json")


def test_a_file_can_be_read_and_overwritten(folder):
    folder.write("a.json", "one")
    folder.write("a.json", "zwei ü")
    assert folder.read("a.json") == "zwei ü"
    assert folder.names() == ["a.json"]
    assert folder.exists("a.json")


def test_a_file_is_created_once(folder):
    assert folder.create("lock", "first")
    assert not folder.create("lock", "second")
    assert folder.read("lock") == "first"


def test_only_one_of_many_threads_creates_a_file(tmp_path):
    folder, winners, ready = Folder(str(tmp_path)), [], threading.Barrier(8)

    def run(number):
        ready.wait()
        if folder.create("lock", str(number)):
            winners.append(str(number))

    threads = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert winners == [folder.read("lock")]


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
    texts_read = {folder.read("state") for _ in range(300)}
    end.set()
    thread.join()
    assert texts_read <= set(texts)
    assert folder.names() == ["state"]


def test_folders_are_listed_and_removed_with_their_content(folder):
    (folder / "a" / "b").write("c", "1")
    folder.write("d", "2")
    assert folder.names() == ["a", "d"]
    folder.remove("a")
    assert folder.names() == ["d"]


def test_an_unknown_protocol_is_refused():
    with pytest.raises(SetupError, match=r"can't reach 'nowhere://x' from here .* or set --work"):
        Folder("nowhere://x")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("dbfs:/Volumes/main/tweets/state", "/Volumes/main/tweets/state"),
        ("dbfs:/tweets/state", "/dbfs/tweets/state"),
        ("file:/tweets/state", "/tweets/state"),
    ],
)
def test_databricks_storage_is_read_through_its_mounted_folders(uri, path):
    assert Folder(uri)._path == path


def test_a_uri_that_fsspec_would_read_as_a_relative_path_is_refused():
    with pytest.raises(SetupError, match="set --work to a folder that can be reached"):
        Folder("wasbs:/container/state")


class Broken(Exception):
    """The process that replaced a folder has ended."""


@pytest.mark.parametrize("killed_in", [None, "mv", "copy", "rm"])
def test_a_folder_takes_the_place_of_another_also_after_a_kill(folder, monkeypatch, killed_in):
    (folder / "out").write("a", "old")
    (folder / "out/part").write("b", "old")
    (folder / "staged/rows").write("a", "new")
    filesystem = type(folder._fs)
    if killed_in:
        original = getattr(filesystem, killed_in)

        def die_after(*args, **kwargs):
            original(*args, **kwargs)
            raise Broken

        with monkeypatch.context() as patch:
            patch.setattr(filesystem, killed_in, die_after)
            with contextlib.suppress(Broken):
                folder.replace("out", "staged/rows")
    if folder.exists("staged") and (folder / "staged").exists("rows"):
        folder.replace("out", "staged/rows")
    assert (folder / "out").names() == ["a"]
    assert (folder / "out").read("a") == "new"
