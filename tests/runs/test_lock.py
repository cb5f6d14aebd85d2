"""One run at a time: a lock names its holder, and a dead run does not hold it."""

import json
import os
import subprocess
import sys
import time

import pytest

from bert_spark.errors import LockedError
from bert_spark.runs import lock
from bert_spark.runs.lock import acquired
from bert_spark.storage import Folder

HANGS_AFTER_S = 60  # far more than a heartbeat takes on the slowest machine


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "locks"))


def write_other_lock(folder, **changes):
    """Write a lock as another run on another machine would."""
    process = {"host": "elsewhere", "pid": 4, "space": "another", "since": "then", "beat": time.time()}
    folder.write("x", json.dumps({"token": "other", "run": "score scores"} | process | changes))


def test_a_second_run_is_refused_and_the_message_names_the_first(folder):
    with (
        acquired(folder, "x", "score scores"),
        pytest.raises(LockedError, match=rf"run score scores \(process {os.getpid()} on"),
        acquired(folder, "x", "second"),
    ):
        pass
    assert folder.names() == []
    with acquired(folder, "x", "third"):
        assert folder.names() == ["x"]


def test_the_lock_of_an_ended_process_on_this_machine_is_taken_over_at_once(folder, monkeypatch):
    monkeypatch.setattr(lock, "TAKEOVER_WAIT_S", 0.0)
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    write_other_lock(folder, pid=int(ended.stdout), space=lock._process_namespace())
    with acquired(folder, "x", "next"):
        assert json.loads(folder.read("x"))["run"] == "next"


def test_a_lock_of_another_machine_holds_until_its_heartbeat_is_stale(folder, monkeypatch):
    monkeypatch.setattr(lock, "TAKEOVER_WAIT_S", 0.0)
    write_other_lock(folder, beat=time.time() - lock.STALE_S / 2)
    with pytest.raises(LockedError, match="process 4 on elsewhere"), acquired(folder, "x", "next"):
        pass
    write_other_lock(folder, beat=time.time() - lock.STALE_S - 1)
    with acquired(folder, "x", "next"):
        pass


def test_a_holder_renews_its_lock_and_notices_its_loss(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.02)
    with acquired(folder, "x", "first") as own_lock:
        first_beat = json.loads(folder.read("x"))["beat"]
        deadline = time.monotonic() + HANGS_AFTER_S
        while json.loads(folder.read("x"))["beat"] == first_beat and time.monotonic() < deadline:
            time.sleep(0.01)
        assert json.loads(folder.read("x"))["beat"] > first_beat
        own_lock.check()
        # A heartbeat that has just read its own lock may overwrite the other. Its thread ends once it sees the other.
        while own_lock._heartbeat.is_alive() and time.monotonic() < deadline:
            write_other_lock(folder)
            own_lock._heartbeat.join(0.1)
        with pytest.raises(LockedError, match="lost its lock to run score scores"):
            own_lock.check()
    assert json.loads(folder.read("x"))["token"] == "other"  # another run's lock is not removed


def test_a_reused_process_number_does_not_hold_the_lock(folder, monkeypatch):
    monkeypatch.setattr(lock, "TAKEOVER_WAIT_S", 0.0)
    write_other_lock(folder, pid=os.getpid(), space=lock._process_namespace(), began="1")
    with acquired(folder, "x", "next"):
        assert json.loads(folder.read("x"))["run"] == "next"


def test_a_lock_file_that_is_being_written_is_read_again(folder, monkeypatch):
    folder.write("x", "")
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: write_other_lock(folder))
    with pytest.raises(LockedError, match="process 4 on elsewhere"), acquired(folder, "x", "next"):
        pass
