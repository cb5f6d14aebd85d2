"""Folders of files that were fetched from elsewhere: one copy for all processes of this machine and user.

A process that uses a copy holds a lock on it until it ends. A copy that no process uses is removed, by the last process
that ends, or by the next one that looks for any copy: Spark's workers end without a chance to.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bert_spark.errors import ArtefactError

_USED, _FILLING = ".used", ".filling"  # endings of a copy's two lock files
_held: dict[Path, int] = {}  # copies that this process uses -> descriptor of the lock


def shared_copy(key: str, fill: Callable[[Path], None]) -> Path:
    """Return a local folder, which stays for as long as this process lives.

    Parameters
    ----------
    key
        Name of the folder, which says what is in it.
    fill
        Writes the files into an empty folder. It runs in one process of the machine.

    Raises
    ------
    ArtefactError
        If the folder of all copies belongs to another user.
    """
    place = _place()
    _remove_unused(place, key)
    folder = place / key
    if folder in _held and folder.is_dir():
        return folder
    if folder not in _held:
        _hold(folder)
    with _locked(place / f"{key}{_FILLING}"):
        if not folder.is_dir():
            draft = Path(tempfile.mkdtemp(prefix=f"{key}.draft-", dir=place))
            try:
                fill(draft)
                draft.rename(folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
    return folder


def _place() -> Path:
    """Return the folder of all copies, which only this user can write to."""
    place = Path(tempfile.gettempdir()) / f"bert_spark-models-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or place.is_symlink():
        raise ArtefactError(f"{place} is not a folder of this user alone; remove it, or set TMPDIR to another folder")
    return place


def _hold(folder: Path) -> None:
    """Lock a copy against removal until this process ends. A child that is forked holds it too."""
    if not _held:
        atexit.register(_release)
    path = folder.with_name(f"{folder.name}{_USED}")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_at(descriptor, path):
            _held[folder] = descriptor
            return
        os.close(descriptor)  # it was removed between the two calls


def _release() -> None:
    for folder in list(_held):
        os.close(_held.pop(folder))
        with contextlib.suppress(OSError):
            _remove_unused(folder.parent, "")


def _remove_unused(place: Path, key: str) -> None:
    """Remove the copies that no process uses, except the one of this key."""
    for path in place.glob(f"*{_USED}"):
        name = path.name.removesuffix(_USED)
        if name == key or place / name in _held:
            continue
        with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_unused:
            if is_unused:
                for left in [place / name, *place.glob(f"{name}.draft-*")]:
                    shutil.rmtree(left, ignore_errors=True)
                (place / f"{name}{_FILLING}").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[bool]:
    """Yield whether this process has the lock, and still has the file that others see."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _has_locked(descriptor, how) and _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def _has_locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
