"""Small files beside an output: complete or absent, on a local disk and in an object store."""

import contextlib
import os
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


def test_the_age_of_a_file_is_told_by_the_storage(folder):
    folder.write("a.json", "one")
    assert 0 <= folder.age_s("a.json") < 60
    with pytest.raises(FileNotFoundError):
        folder.age_s("b.json")
    assert folder.names() == ["a.json"]


def test_a_file_of_an_hour_ago_is_an_hour_old(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write("a.json", "one")
    an_hour_ago = (tmp_path / "a.json").stat().st_mtime - 3600
    os.utime(tmp_path / "a.json", (an_hour_ago, an_hour_ago))
    assert 3600 <= folder.age_s("a.json") < 3660


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


def test_a_file_takes_the_place_of_another_and_the_call_may_be_repeated(folder):
    parts, new = folder / "parts", folder / "new/1"
    for name in ("a", "b"):
        parts.write(name, f"old {name}")
    parts.write(".a.crc", "Hadoop's checksum of the old a")
    new.write("x", "new a")
    new.write("y", "c")
    for _ in range(2):
        if new.exists("x"):
            folder.replace_file("parts/a", "new/1/x")
    folder.replace_file("parts/c", "new/1/y")
    folder.replace_file("elsewhere/deep/b", "parts/b")
    assert (parts.read("a"), parts.read("c")) == ("new a", "c")
    assert (folder / "elsewhere/deep").read("b") == "old b"
    if "memory:" not in folder.uri:
        assert parts.names() == ["a", "c"]
