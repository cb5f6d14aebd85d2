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
from bert_spark.tables.storage import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "locks"))


def left(folder, **changes):
    """Leave a lock as a run would that is not this process."""
    mine = {"token": "other", "run": "score scores", "host": "elsewhere", "pid": 4, "space": "another", "since": "then"}
    folder.write("x", json.dumps(mine | {"beat": time.time()} | changes))


def test_a_second_run_is_refused_and_told_of_the_first(folder):
    with (
        acquired(folder, "x", "score scores"),
        pytest.raises(LockedError, match=rf"run score scores \(process {os.getpid()} on"),
        acquired(folder, "x", "second"),
    ):
        pass
    assert folder.names() == []
    with acquired(folder, "x", "third"):
        assert folder.names() == ["x"]


def test_a_lock_of_a_process_that_is_gone_from_this_machine_is_taken_over_at_once(folder, monkeypatch):
    monkeypatch.setattr(lock, "TAKEOVER_WAIT_S", 0.0)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left(folder, pid=int(gone.stdout), space=lock._process_namespace())
    with acquired(folder, "x", "next"):
        assert json.loads(folder.read("x"))["run"] == "next"


def test_a_lock_of_another_machine_holds_until_it_was_not_renewed_for_long(folder, monkeypatch):
    monkeypatch.setattr(lock, "TAKEOVER_WAIT_S", 0.0)
    left(folder, beat=time.time() - lock.STALE_S / 2)
    with pytest.raises(LockedError, match="process 4 on elsewhere"), acquired(folder, "x", "next"):
        pass
    left(folder, beat=time.time() - lock.STALE_S - 1)
    with acquired(folder, "x", "next"):
        pass


def test_a_holder_renews_its_lock_and_notices_its_loss(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.02)
    with acquired(folder, "x", "first") as mine:
        begun = json.loads(folder.read("x"))["beat"]
        deadline = time.monotonic() + 5
        while json.loads(folder.read("x"))["beat"] == begun and time.monotonic() < deadline:
            time.sleep(0.01)
        assert json.loads(folder.read("x"))["beat"] > begun
        mine.check()
        left(folder)
        with pytest.raises(LockedError, match="lost its lock to run score scores"):
            mine.check()
    assert json.loads(folder.read("x"))["token"] == "other"  # another's lock is not removed


def test_a_number_that_another_process_has_by_now_holds_nothing(folder, monkeypatch):
    monkeypatch.setattr(lock, "TAKEOVER_WAIT_S", 0.0)
    left(folder, pid=os.getpid(), space=lock._process_namespace(), began="1")
    with acquired(folder, "x", "next"):
        assert json.loads(folder.read("x"))["run"] == "next"


def test_a_lock_that_is_being_written_is_waited_for(folder, monkeypatch):
    folder.write("x", "")
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: left(folder))
    with pytest.raises(LockedError, match="process 4 on elsewhere"), acquired(folder, "x", "next"):
        pass
