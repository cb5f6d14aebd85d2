"""Allow one run at a time into an output, by claims in a folder. A dead run does not hold the lock for ever.

Each run writes a claim, a file that only it writes, and then lists the folder. It holds the lock once it has seen no
other claim there. Of two runs at least the one that wrote last sees the other's claim, so two never hold the lock, on
any storage that lists what was written. Nothing needs to be created atomically, and no clocks are compared.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bert_spark.errors import LockedError
from bert_spark.storage import Folder

logger = logging.getLogger(__name__)

HEARTBEAT_S = 30.0  # how often a holder renews its claim
STALE_S = 600.0  # a claim that was not renewed for this long belongs to a dead run, on any machine
WATCH_S = 3 * HEARTBEAT_S  # how long a claim is watched where the storage does not say how old it is
POLL_S = 0.5  # between two looks of runs that start at once
POLLS = 20  # looks after which such a run gives way

Holder = dict[str, Any]  # what a claim says of its run


class Lock:
    """The lock of one folder, which this run holds."""

    def __init__(self, folder: Folder, holder: Holder) -> None:
        self._folder, self._holder, self._name = folder, holder, _claim_name(holder)
        self._released = threading.Event()
        self._heartbeat = threading.Thread(target=self._renew, name="bert_spark lock", daemon=True)

    def check(self) -> None:
        """Raise LockedError if another run has taken the lock, as it may while this machine sleeps."""
        others = [other for other in _other_claims(self._folder, self._name).values() if other.get("holds")]
        if others or self._folder.read(self._name) is None:
            raise LockedError(
                f"this run lost its lock to {_holder_text(others[0]) if others else 'another run'}. It stops and "
                "publishes nothing more; run again when that run has ended"
            )

    def _renew(self) -> None:
        while not self._released.wait(HEARTBEAT_S):
            try:
                if self._folder.read(self._name) is None:
                    return  # another run took this one for dead
                self._folder.write(self._name, _claim_text(self._holder))
            except Exception as err:  # of any storage; the next beat may succeed
                logger.warning("could not renew the lock %s/%s: %s", self._folder.uri, self._name, err)

    def _start(self) -> None:
        self._heartbeat.start()

    def _release(self) -> None:
        self._released.set()
        self._heartbeat.join()
        _withdraw(self._folder, self._name)


@contextmanager
def acquired(folder: Folder, run: str) -> Iterator[Lock]:
    """Hold the lock of `folder` while the block runs.

    Call the lock's `check` before a step that cannot be undone.

    Parameters
    ----------
    folder
        The folder of claims. Files in it that do not end in .json are ignored.
    run
        Description of this run, for the message that another run gets.

    Raises
    ------
    LockedError
        If another run holds the lock. The message names that run, its machine and its process.
    """
    holder = _this_process(run)
    _claim(folder, holder)
    lock = Lock(folder, holder)
    lock._start()
    try:
        yield lock
    finally:
        lock._release()


def end_lock_of_version_0_1(folder: Folder) -> None:
    """Remove the lock of a dead run of version 0.1: one file beside the folder of claims, which is in another folder.

    Raises
    ------
    LockedError
        If that run is alive.
    """
    parent, _, name = folder.uri.rpartition("/")
    beside, file = Folder(parent), f"{name}.json"
    text = beside.read(file)
    if text is None:
        return
    holder = _parse_holder(text)
    if _is_on_this_machine(holder):
        dead = not _is_running_still(holder)
    else:
        dead = time.time() - float(holder.get("beat", 0)) > STALE_S  # that version wrote the time of its own clock
    if not dead:
        raise LockedError(_locked_text(holder, beside.uri + "/" + file))
    logger.warning("taking over the lock of %s, which is dead", _holder_text(holder))
    beside.remove(file)


def _claim(folder: Folder, holder: Holder) -> None:
    """Claim the lock; raise LockedError if another run has it, or is about to have it."""
    name = _claim_name(holder)
    folder.write(name, _claim_text(holder))
    try:
        for _ in range(POLLS):
            others = _living_claims(folder, name)
            if not others:
                holder["holds"] = True
                folder.write(name, _claim_text(holder))
                return
            first = min(others)
            if any(other.get("holds") for other in others.values()) or first < name:
                break  # of runs that start at once, the one whose claim is named first stays
            time.sleep(POLL_S)
        other = next((other for other in others.values() if other.get("holds")), others[first])
        raise LockedError(_locked_text(other, folder.uri))
    except BaseException:
        _withdraw(folder, name)
        raise


def _withdraw(folder: Folder, name: str) -> None:
    """Remove a claim. A failure must not hide how the run ended: the claim expires by itself."""
    try:
        folder.remove(name)
    except Exception as err:  # of any storage
        logger.warning("could not release the lock %s/%s, which expires by itself: %s", folder.uri, name, err)


def _living_claims(folder: Folder, own: str) -> dict[str, Holder]:
    """Return the claims of other runs by their names, and remove those of dead runs."""
    living = {}
    for name, holder in _other_claims(folder, own).items():
        if _is_dead(folder, name, holder):
            logger.warning("taking over the lock of %s, which is dead", _holder_text(holder))
            folder.remove(name)
        else:
            living[name] = holder
    return living


def _other_claims(folder: Folder, own: str) -> dict[str, Holder]:
    """Return the claims of other runs by their names. A claim that cannot be read yet names no holder."""
    claims = {}
    for name in folder.names():
        text = None if name == own or not name.endswith(".json") else folder.read(name)
        if text is not None:
            claims[name] = _parse_holder(text)
    return claims


def _claim_name(holder: Holder) -> str:
    return f"{holder['token']}.json"


def _this_process(run: str) -> Holder:
    pid = os.getpid()
    return {
        "token": secrets.token_hex(8),
        "run": run,
        "host": socket.gethostname(),
        "pid": pid,
        "space": _process_namespace(),
        "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "began": _process_start(pid),
        "holds": False,
    }


def _claim_text(holder: Holder) -> str:
    return json.dumps(holder | {"beat": secrets.token_hex(8)})  # a new text, so that each beat is seen


def _parse_holder(text: str) -> Holder:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}  # a full disk cut the file short: it names no holder
    return holder if isinstance(holder, dict) else {}


def _holder_text(holder: Mapping[str, Any]) -> str:
    return f"run {holder.get('run')} (process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')})"


def _locked_text(holder: Mapping[str, Any], lock: str) -> str:
    return (
        f"{_holder_text(holder)} is writing to this output (lock {lock}). Wait until it has ended and run again. If it "
        f"is dead, its lock expires {STALE_S / 60:g} minutes after its last heartbeat"
    )


def _is_on_this_machine(holder: Mapping[str, Any]) -> bool:
    return holder.get("space") == _process_namespace() and isinstance(holder.get("pid"), int)


def _is_running_still(holder: Mapping[str, Any]) -> bool:
    """Tell whether the process of a holder on this machine runs, and is not another one of the same number."""
    return _is_running(holder["pid"]) and holder.get("began") == _process_start(holder["pid"])


def _is_dead(folder: Folder, name: str, holder: Mapping[str, Any]) -> bool:
    """Tell whether a holder's process has ended or, on another machine, whether its heartbeat has stopped."""
    if _is_on_this_machine(holder):
        return not _is_running_still(holder)
    try:
        return folder.age_s(name) > STALE_S
    except FileNotFoundError:  # released meanwhile
        return True
    except NotImplementedError:  # the storage does not say when a file was written
        text = folder.read(name)
        time.sleep(WATCH_S)
        return folder.read(name) == text


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
