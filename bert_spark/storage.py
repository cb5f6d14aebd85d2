"""Small files beside an output, and whole folders that take another's place, on any file system of fsspec.

Knows nothing of Spark.
"""

from __future__ import annotations

import posixpath
import re
import secrets
from typing import TYPE_CHECKING, BinaryIO, cast

from bert_spark.errors import SetupError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def _driver_path(uri: str) -> str:
    """Return a URI as this process reads it: Databricks mounts its storage as folders for Python."""
    if uri.startswith("dbfs:/"):
        path = uri.removeprefix("dbfs:")
        return path if path.startswith("/Volumes/") else f"/dbfs{path}"
    if re.match(r"(?!file:)[a-z][a-z0-9+.-]*:/(?!/)", uri):  # fsspec would read it as a relative path
        raise ValueError("unknown kind of storage")
    return uri


class Folder:
    """A folder by its URI. It need not exist yet.

    Parameters
    ----------
    uri
        Absolute path or URI, e.g. "/data/scores", "s3://bucket/scores".

    Attributes
    ----------
    is_local
        Whether it is on this machine's file system.

    Raises
    ------
    SetupError
        If no installed package can reach that kind of storage.
    """

    def __init__(self, uri: str) -> None:
        from fsspec.core import url_to_fs

        self.uri = uri.rstrip("/")
        try:
            self._fs, self._path = url_to_fs(_driver_path(self.uri))
        except (ImportError, ValueError, OSError) as err:
            raise SetupError(
                f"can't reach {uri!r} from here ({err}); a scheduled run stores its state beside its output: install "
                "the package for that storage (s3fs, gcsfs, adlfs), or set --work to a folder that can be reached"
            ) from err
        self.is_local = "file" in _protocols(self._fs)

    def __truediv__(self, name: str) -> Folder:
        return Folder(f"{self.uri}/{name}")

    def names(self) -> list[str]:
        """Return the sorted names of the files and folders in it; an empty list if it does not exist."""
        try:
            paths = self._fs.ls(self._path, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(posixpath.basename(str(path).rstrip("/")) for path in paths)

    def is_there(self) -> bool:
        """Tell whether it, or a file of its name, exists."""
        return bool(self._fs.exists(self._path))

    def exists(self, name: str) -> bool:
        """Tell whether it holds a file or folder of that name."""
        return name in self.names()

    def read(self, name: str) -> str | None:
        """Return the text of a file; None if it does not exist."""
        try:
            data: bytes = self._fs.cat_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return None
        return data.decode("utf-8")

    def open(self, name: str) -> BinaryIO:
        """Open a file to read its bytes."""
        return cast("BinaryIO", self._fs.open(f"{self._path}/{name}", "rb"))

    def write(self, name: str, text: str) -> None:
        """Write a file. A reader at the same moment sees the whole old text or the whole new one."""
        self._fs.makedirs(self._path, exist_ok=True)
        target = f"{self._path}/{name}"
        if not self.is_local:  # object stores show a file once it is complete
            self._fs.pipe_file(target, text.encode("utf-8"))
            return
        draft = f"{self._path}/.{name}.{secrets.token_hex(3)}"
        self._fs.pipe_file(draft, text.encode("utf-8"))
        self._fs.mv(draft, target)

    def age_s(self, name: str) -> float:
        """Return how many seconds ago a file was written, by the storage's clock. This machine's may be wrong.

        Raises
        ------
        FileNotFoundError
            If it does not exist.
        NotImplementedError
            If the storage does not say when a file was written.
        """
        probe = f".now.{secrets.token_hex(3)}"
        self.write(probe, "now")
        try:
            self._fs.invalidate_cache(self._path)
            now, written = (self._fs.modified(f"{self._path}/{file}") for file in (probe, name))
        finally:
            self.remove(probe)
        return float((now - written).total_seconds())

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with everything in it. Do nothing if it does not exist."""
        try:
            self._fs.rm(f"{self._path}/{name}", recursive=True)
        except FileNotFoundError:
            return

    def replace(self, name: str, new: str) -> None:
        """Put the folder `new` in the place of the folder `name`, as `replace_folder` does; both are in this folder."""
        replace_folder(self._fs, f"{self._path}/{name}", f"{self._path}/{new}")

    def replace_file(self, name: str, new: str) -> None:
        """Put the file `new` in the place of the file `name`, which need not exist; both are paths in this folder.

        A reader sees the old file or the new one; on HDFS none for an instant. `new` stays in an object store, which
        copies it. As long as `new` exists, the call may be repeated after a kill.
        """
        target, source = f"{self._path}/{name}", f"{self._path}/{new}"
        self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
        if not _protocols(self._fs) & {"file", "hdfs"}:
            self._fs.copy(source, target)
            return
        if self.is_local:  # Hadoop's checksum of the old file
            folder, _, file = name.rpartition("/")
            self.remove(f"{folder}/.{file}.crc")
        elif self._fs.exists(target):
            self._fs.rm(target)
        self._fs.mv(source, target)


def first_bytes(uri: str, count: int) -> bytes | None:
    """Return the beginning of a file, decompressed; None if this process cannot read it.

    Parameters
    ----------
    uri
        Absolute path or URI. Its ending, such as .gz, names the compression.
    count
        Number of bytes.
    """
    import fsspec

    try:
        with fsspec.open(_driver_path(uri), "rb", compression="infer") as file:
            return bytes(file.read(count))
    except (ImportError, ValueError, OSError, EOFError):
        return None


def replace_folder(fs: AbstractFileSystem, target: str, new: str) -> None:
    """Put the folder `new` in the place of the folder `target`, which need not exist.

    Where the storage can rename folders, a reader sees the old folder or the new one, and none for an instant; the old
    one stays as `new` + ".old". An object store removes the old files and copies the new ones, and `new` stays. As long
    as `new` exists, the call may be repeated after a kill.
    """
    if _protocols(fs) & {"file", "hdfs"}:
        if fs.exists(target):
            fs.mv(target, f"{new}.old", recursive=True)
        fs.mv(new, target, recursive=True)
        return
    if fs.exists(target):
        fs.rm(target, recursive=True)
    fs.copy(f"{new}/", f"{target}/", recursive=True)


def _protocols(fs: AbstractFileSystem) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
