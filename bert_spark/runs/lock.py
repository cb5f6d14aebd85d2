"""Allow one run at a time into an output, by a lock file beside it. A dead run does not hold the lock for ever."""

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
from bert_spark.storage import Folder

logger = logging.getLogger(__name__)

HEARTBEAT_S = 30.0  # how often a holder renews its lock
STALE_S = 600.0  # a lock that was not renewed for this long belongs to a dead run, on any machine
TAKEOVER_WAIT_S = 1.0  # if two runs take over a dead lock at once, the one that the file names after this has it


class Lock:
    """A lock that this run holds. Call `check` before a step that cannot be undone."""

    def __init__(self, folder: Folder, name: str, holder: dict[str, Any]) -> None:
        self._folder, self._name, self._holder = folder, name, holder
        self._released = threading.Event()
        self._heartbeat = threading.Thread(target=self._renew, name="bert_spark lock", daemon=True)

    def check(self) -> None:
        """Raise LockedError if another run has taken the lock, as it may while this machine sleeps."""
        holder = self._current_holder()
        if holder.get("token") != self._holder["token"]:
            raise LockedError(
                f"this run lost its lock to {_holder_text(holder)}. It stops and publishes nothing more; run again "
                "when that run has ended"
            )

    def _current_holder(self) -> dict[str, Any]:
        return _parse_holder(self._folder.read(self._name))

    def _renew(self) -> None:
        while not self._released.wait(HEARTBEAT_S):
            try:
                if self._current_holder().get("token") != self._holder["token"]:
                    return
                self._folder.write(self._name, _lock_text(self._holder))
            except OSError as err:
                logger.warning("could not renew the lock %s/%s: %s", self._folder.uri, self._name, err)

    def _start(self) -> None:
        self._heartbeat.start()

    def _release(self) -> None:
        self._released.set()
        self._heartbeat.join()
        if self._current_holder().get("token") == self._holder["token"]:
            self._folder.remove(self._name)


@contextmanager
def acquired(folder: Folder, name: str, run: str) -> Iterator[Lock]:
    """Hold the lock `name` in `folder` while the block runs.

    Parameters
    ----------
    folder, name
        Folder and name of the lock file.
    run
        Description of this run, for the message that another run gets.

    Raises
    ------
    LockedError
        If another run holds the lock. The message names that run, its machine and its process.
    """
    holder = _this_process(run)
    if not folder.create(name, _lock_text(holder)):
        _take_over(folder, name, holder)
    lock = Lock(folder, name, holder)
    lock.check()
    lock._start()
    try:
        yield lock
    finally:
        lock._release()


def _this_process(run: str) -> dict[str, Any]:
    pid = os.getpid()
    return {
        "token": secrets.token_hex(8),
        "run": run,
        "host": socket.gethostname(),
        "pid": pid,
        "space": _process_namespace(),
        "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "began": _process_start(pid),
    }


def _lock_text(holder: dict[str, Any]) -> str:
    return json.dumps(holder | {"beat": time.time()})


def _take_over(folder: Folder, name: str, holder: dict[str, Any]) -> None:
    """Replace the lock of a dead run; raise LockedError if its run is alive."""
    current = _parse_holder(folder.read(name))
    if not current:  # the file may be in the middle of being written
        time.sleep(TAKEOVER_WAIT_S)
        current = _parse_holder(folder.read(name))
    if not _is_dead(current):
        raise LockedError(
            f"{_holder_text(current)} is writing to this output (lock {folder.uri}/{name}). Wait until it has ended "
            f"and run again. If it is dead, its lock expires {STALE_S / 60:g} minutes after its last heartbeat"
        )
    logger.warning("taking over the lock of %s, which is dead", _holder_text(current))
    folder.write(name, _lock_text(holder))
    time.sleep(TAKEOVER_WAIT_S)


def _parse_holder(text: str | None) -> dict[str, Any]:
    try:
        holder = json.loads(text or "{}")
    except ValueError:
        return {}  # a full disk cut the file short: it names no holder
    return holder if isinstance(holder, dict) else {}


def _holder_text(holder: dict[str, Any]) -> str:
    return f"run {holder.get('run')} (process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')})"


def _is_dead(holder: dict[str, Any]) -> bool:
    """Tell whether a holder's process has ended or, on another machine, whether its heartbeat has stopped."""
    if holder.get("space") == _process_namespace() and isinstance(holder.get("pid"), int):
        return not _is_running(holder["pid"]) or holder.get("began") != _process_start(holder["pid"])
    return time.time() - float(holder.get("beat", 0)) > STALE_S


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return True


def _process_start(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot. A process number alone may have been reused."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]  # field 22, proc(5)


def _process_namespace() -> str:
    """Return an identifier of this machine's boot and container, within which a process number is unique."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
