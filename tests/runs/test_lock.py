"""One run at a time: a lock names its holder, and a dead run does not hold it."""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from functools import partial
from types import SimpleNamespace

import pytest

from bert_spark.errors import LockedError
from bert_spark.runs import lock
from bert_spark.runs.lock import STALE_S, acquired, end_lock_of_version_0_1
from bert_spark.storage import Folder
from tests.support.interleavings import History, Storage, every_history

HANGS_AFTER_S = 60  # far more than a heartbeat takes on the slowest machine


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    """Return a folder for locks, on the local disk or in a store that creates nothing atomically."""
    return Folder(str(tmp_path / "locks") if request.param == "local" else f"memory://{tmp_path.name}")


@pytest.fixture
def local_folder(tmp_path):
    return Folder(str(tmp_path / "locks"))


def other_claim(**changes):
    """Return the text of a claim as another run on another machine writes it."""
    process = {"host": "elsewhere", "pid": 4, "space": "another", "since": "then", "holds": True}
    return json.dumps({"token": "other", "run": "score scores"} | process | changes)


def age(folder, name, seconds):
    """Make a file of a local folder older."""
    path = f"{folder.uri}/{name}"
    written = os.stat(path).st_mtime - seconds
    os.utime(path, (written, written))


def until(condition):
    deadline = time.monotonic() + HANGS_AFTER_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_a_second_run_is_refused_and_the_message_names_the_first(folder):
    with (
        acquired(folder, "score scores"),
        pytest.raises(LockedError, match=rf"run score scores \(process {os.getpid()} on"),
        acquired(folder, "second"),
    ):
        pass
    assert folder.names() == []
    with acquired(folder, "third"):
        assert len(folder.names()) == 1


def test_the_lock_of_an_ended_process_on_this_machine_is_taken_over_at_once(folder):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    folder.write("other.json", other_claim(pid=int(ended.stdout), space=lock._process_namespace()))
    with acquired(folder, "next"):
        assert "other.json" not in folder.names()


def test_a_reused_process_number_does_not_hold_the_lock(folder):
    folder.write("other.json", other_claim(pid=os.getpid(), space=lock._process_namespace(), began="1"))
    with acquired(folder, "next"):
        pass


def test_a_lock_of_another_machine_holds_until_its_heartbeat_is_stale(local_folder):
    local_folder.write("other.json", other_claim())
    age(local_folder, "other.json", lock.STALE_S / 2)
    with pytest.raises(LockedError, match="process 4 on elsewhere"), acquired(local_folder, "next"):
        pass
    age(local_folder, "other.json", lock.STALE_S)
    with acquired(local_folder, "next"):
        assert "other.json" not in local_folder.names()


def test_a_wrong_clock_takes_no_living_lock(folder, monkeypatch):
    folder.write("other.json", other_claim())
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with pytest.raises(LockedError, match="process 4 on elsewhere"), acquired(folder, "next"):
        pass


@pytest.mark.parametrize("beats", [True, False])
def test_a_lock_is_watched_if_its_storage_does_not_say_how_old_it_is(local_folder, monkeypatch, beats):
    def no_times(folder, name):
        raise NotImplementedError

    def sleep(seconds):
        assert seconds >= 2 * lock.HEARTBEAT_S
        local_folder.write("other.json", other_claim(beat=beats))

    monkeypatch.setattr(Folder, "age_s", no_times)
    monkeypatch.setattr(lock, "time", SimpleNamespace(sleep=sleep))
    local_folder.write("other.json", other_claim(beat=False))
    with pytest.raises(LockedError) if beats else nullcontext(), acquired(local_folder, "next"):
        pass


def test_a_holder_renews_its_lock_and_notices_its_loss(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.02)
    with acquired(folder, "first") as own_lock:
        (name,) = folder.names()
        first_beat = folder.read(name)
        until(lambda: folder.read(name) != first_beat)
        own_lock.check()
        folder.write("other.json", other_claim())
        with pytest.raises(LockedError, match="lost its lock to run score scores"):
            own_lock.check()
        folder.remove("other.json")
        # A heartbeat that has just read its claim writes it once more.
        until(lambda: folder.remove(name) or not own_lock._heartbeat.is_alive())
        with pytest.raises(LockedError, match="lost its lock to another run"):
            own_lock.check()
    assert folder.names() == []


class HttpError(Exception):
    """An error as gcsfs raises it: no OSError."""


def test_the_heartbeat_survives_any_error_and_a_failed_release_fails_no_run(folder, monkeypatch, caplog):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.02)
    write, failures = Folder.write, []

    def fail(*_):
        failures.append(1)
        raise HttpError("503")

    with acquired(folder, "first"):
        (name,) = folder.names()
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "write", fail)
            until(lambda: len(failures) > 1)
        assert Folder.write is write
        beat = folder.read(name)
        until(lambda: folder.read(name) != beat)
        monkeypatch.setattr(Folder, "remove", fail)
    assert "could not renew the lock" in caplog.text
    assert "could not release the lock" in caplog.text


def check_then_write(folder, holder):
    """Claim the lock as a store without atomic creation does it: look whether it is free, then write."""
    if lock._living_claims(folder, ""):
        raise LockedError("held")
    folder.write(lock._claim_name(holder), json.dumps(holder | {"holds": True}))


class Contenders:
    """Runs that start at once. Counts how many hold the lock, at once and at all."""

    def __init__(self, files):
        self.inside = self.most = self.all = 0
        storage = Storage(files, {"dead.json": lock.STALE_S + 1})
        self.history = History(storage, {name: partial(self.run, storage, name) for name in ("first", "second")})

    def run(self, storage, name):
        with suppress(LockedError), acquired(storage, name):
            self.inside += 1
            self.all += 1
            self.most = max(self.most, self.inside)
            storage.history.step(lambda: None)
            self.inside -= 1


@pytest.fixture
def every_order(monkeypatch):
    """Return a function that lets two runs start at once in every order of their steps, and returns what was seen."""
    monkeypatch.setattr(lock.Lock, "_start", lambda self: None)
    monkeypatch.setattr(lock.Lock, "_release", lambda self: lock._withdraw(self._folder, self._name))
    monkeypatch.setattr(lock, "_claim_text", json.dumps)
    monkeypatch.setattr(lock, "_this_process", lambda run: {"token": run, "run": run, "space": "x", "holds": False})

    def explore(files):
        current, ended = [], []

        def start():
            current[:] = [Contenders(files)]
            monkeypatch.setattr(lock, "time", SimpleNamespace(sleep=current[0].history.sleep))
            return current[0].history

        for states, complete in every_history(start):
            ended.append((current[0].most, current[0].all, complete, states))
        return ended

    return explore


@pytest.mark.parametrize("files", [{}, {"dead.json": other_claim(run="dead")}])
def test_two_runs_never_hold_the_lock_at_once_in_any_order_of_their_steps(every_order, files):
    ended = every_order(files)
    assert ended[-1][-1] > 50  # states
    assert max(most for most, *_ in ended) == 1
    assert {everyone for _, everyone, complete, _ in ended if complete} == {1, 2}  # one, or one after the other


def test_every_order_finds_the_two_runs_that_a_look_before_the_claim_lets_in(every_order, monkeypatch):
    monkeypatch.setattr(lock, "_claim", check_then_write)
    assert max(most for most, *_ in every_order({})) == 2


@pytest.mark.parametrize(("age_s", "alive"), [(30, True), (STALE_S + 1, False)])
def test_a_lock_of_version_0_1_holds_until_its_heartbeat_is_stale(local_folder, age_s, alive, caplog):
    """It is one file beside the folder of claims, with the time of its machine's clock."""
    beside = Folder(local_folder.uri.rpartition("/")[0])
    beside.write("locks.json", json.dumps(json.loads(other_claim()) | {"beat": time.time() - age_s}))
    if alive:
        with pytest.raises(LockedError, match=r"run score scores \(process 4 on elsewhere, since then\) is writing"):
            end_lock_of_version_0_1(local_folder)
        return
    end_lock_of_version_0_1(local_folder)
    assert "taking over the lock of run score scores" in caplog.text
    assert beside.read("locks.json") is None
