"""Processes of a machine share one copy of what was fetched: it is there while one of them lives, and gone later."""

import multiprocessing
import os
import tempfile

import pytest

from bert_spark.artefact import local_copies
from bert_spark.artefact.local_copies import shared_copy
from bert_spark.errors import ArtefactError

PROCESSES = multiprocessing.get_context("spawn")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Make the test's folder the one for temporary files, also of its processes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(local_copies, "_held", {})
    yield tmp_path
    local_copies._release()
    tempfile.tempdir = None


def fill(folder):
    (folder / "model").write_text("weights")


def use(key, seen, begin, end, die):
    """Use a copy in a process of its own, from `begin` on until `end`. Put into `seen` the copy and who filled it."""
    filled = []
    begin.wait()
    folder = shared_copy(key, lambda folder: (filled.append(1), fill(folder)))
    seen.put(((folder / "model").read_text(), str(folder), len(filled)))
    end.wait()
    if die:
        os._exit(0)  # as Spark's workers end


@pytest.fixture
def start():
    """Return a function that starts processes that use a copy, and one that lets them end."""
    running = []

    def run(key, count=1, die=False):
        seen, begin, end = PROCESSES.Queue(), PROCESSES.Event(), PROCESSES.Event()
        processes = [PROCESSES.Process(target=use, args=(key, seen, begin, end, die)) for _ in range(count)]
        running.append((processes, end))
        for process in processes:
            process.start()
        begin.set()

        def finish():
            end.set()
            for process in processes:
                process.join()

        return [seen.get() for _ in processes], finish

    yield run
    for processes, end in running:
        end.set()
        for process in processes:
            process.join()


def copies(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_dir() and path.name.startswith("key"))


def test_processes_share_one_copy_and_the_last_one_removes_it(temporary, start):
    seen, finish = start("key", 4)
    assert {text for text, *_ in seen} == {"weights"}
    assert len({folder for _, folder, _ in seen}) == 1
    assert sum(filled for *_, filled in seen) == 1
    assert copies(temporary) == ["key"]
    finish()
    assert list(local_copies._place().iterdir()) == []


def test_a_copy_that_workers_left_is_removed_by_the_next_process(temporary, start):
    _, finish = start("key-left", die=True)
    finish()
    assert copies(temporary) == ["key-left"]
    _, still_running = start("key-used", die=True)
    shared_copy("key-of-this-process", fill)
    assert copies(temporary) == ["key-of-this-process", "key-used"]
    still_running()


def test_a_copy_that_was_left_is_used_again(temporary, start):
    _, finish = start("key", die=True)
    finish()
    assert shared_copy("key", lambda folder: pytest.fail("it was fetched again")).name == "key"


def test_a_copy_that_fails_leaves_nothing_behind(temporary):
    with pytest.raises(ZeroDivisionError):
        shared_copy("key", lambda folder: 1 / 0)
    assert copies(temporary) == []
    assert (shared_copy("key", fill) / "model").read_text() == "weights"


def test_a_folder_that_others_can_write_to_is_refused(temporary):
    local_copies._place().chmod(0o777)
    with pytest.raises(ArtefactError, match="is not a folder of this user alone"):
        shared_copy("key", fill)
