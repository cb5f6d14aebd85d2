"""One run of a job at a time: a lock file beside the output, which a dead run does not hold for ever."""

from __future__ import annotations

import datetime
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bert_spark.errors import LockedError
from bert_spark.tables.storage import Folder

logger = logging.getLogger(__name__)

HEARTBEAT_S = 30.0  # a holder renews its lock this often
STALE_S = 600.0  # a lock that was not renewed for so long is a dead run's, on whatever machine it ran
TAKEOVER_WAIT_S = 1.0  # two runs that take over one dead lock at once: who still has it after so long, has it


class Lock:
    """A lock that is held; `check` before anything that can't be undone."""

    def __init__(self, folder: Folder, name: str, holder: dict[str, Any]) -> None:
        self._folder, self._name, self._holder = folder, name, holder
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._renew, name="bert_spark lock", daemon=True)

    def check(self) -> None:
        """Raise LockedError when another run has taken the lock, as after a machine that slept."""
        found = _parsed(self._folder.read(self._name))
        if found.get("token") != self._holder["token"]:
            raise LockedError(f"this run lost its lock to {_holder_text(found)}; it stops before it publishes anything")

    def _renew(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                if _parsed(self._folder.read(self._name)).get("token") != self._holder["token"]:
                    return
                self._folder.write(self._name, json.dumps(self._holder | {"beat": time.time()}))
            except OSError as err:
                logger.warning("could not renew the lock %s/%s: %s", self._folder.uri, self._name, err)

    def _start(self) -> None:
        self._beat.start()

    def _release(self) -> None:
        self._ended.set()
        self._beat.join()
        if _parsed(self._folder.read(self._name)).get("token") == self._holder["token"]:
            self._folder.remove(self._name)


@contextmanager
def acquired(folder: Folder, name: str, run: str) -> Iterator[Lock]:
    """Hold the lock `name` in `folder` while the block runs.

    Parameters
    ----------
    folder, name
        Where the lock file lies.
    run
        Who holds it, for others to read.

    Raises
    ------
    LockedError
        When another run holds it; names that run, its machine and its process.
    """
    token = secrets.token_hex(8)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    pid = os.getpid()
    me = {
        "token": token,
        "run": run,
        "host": socket.gethostname(),
        "pid": pid,
        "space": _process_namespace(),
        "since": now,
    }
    me["began"] = _process_start(pid)
    text = json.dumps(me | {"beat": time.time()})
    if not folder.create(name, text):
        found = _parsed(folder.read(name))
        if not found:  # it may be in the middle of being written
            time.sleep(TAKEOVER_WAIT_S)
            found = _parsed(folder.read(name))
        if not _is_dead(found):
            raise LockedError(
                f"{_holder_text(found)} is at work on this output (lock {folder.uri}/{name}); wait for its end. Should it be "
                f"dead, its lock ends {STALE_S / 60:g} minutes after its last sign of life"
            )
        logger.warning("taking over the lock of %s, which is dead", _holder_text(found))
        folder.write(name, text)
        time.sleep(TAKEOVER_WAIT_S)
    lock = Lock(folder, name, me)
    lock.check()
    lock._start()
    try:
        yield lock
    finally:
        lock._release()


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}  # a file cut short by a full disk: nobody's
    return found if isinstance(found, dict) else {}


def _holder_text(found: dict[str, Any]) -> str:
    return f"run {found.get('run')} (process {found.get('pid')} on {found.get('host')}, since {found.get('since')})"


def _is_dead(found: dict[str, Any]) -> bool:
    if found.get("space") == _process_namespace() and isinstance(found.get("pid"), int):
        return not _is_running(found["pid"]) or found.get("began") != _process_start(found["pid"])
    return time.time() - float(found.get("beat", 0)) > STALE_S


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_start(pid: int) -> str | None:
    """Return when a process began, in the machine's ticks: its number alone may be another's by now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]  # field 22, proc(5)


def _process_namespace() -> str:
    """Return what tells process numbers of one machine, and of one container on it, from all others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
