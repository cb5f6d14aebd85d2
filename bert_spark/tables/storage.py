"""Small files beside an output, on any file system of fsspec. Knows nothing of Spark."""

from __future__ import annotations

import posixpath
import re
import secrets

from bert_spark.errors import SetupError


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
        self._local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else [self._fs.protocol])

    def __truediv__(self, name: str) -> Folder:
        return Folder(f"{self.uri}/{name}")

    def names(self) -> list[str]:
        """Return the sorted names of the files and folders in it; an empty list if it does not exist."""
        try:
            paths = self._fs.ls(self._path, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(posixpath.basename(str(path).rstrip("/")) for path in paths)

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

    def write(self, name: str, text: str) -> None:
        """Write a file. A reader at the same moment sees the whole old text or the whole new one."""
        self._fs.makedirs(self._path, exist_ok=True)
        target = f"{self._path}/{name}"
        if not self._local:  # object stores show a file once it is complete
            self._fs.pipe_file(target, text.encode("utf-8"))
            return
        draft = f"{self._path}/.{name}.{secrets.token_hex(3)}"
        self._fs.pipe_file(draft, text.encode("utf-8"))
        self._fs.mv(draft, target)

    def create(self, name: str, text: str) -> bool:
        """Write a file if it does not exist; return whether it was written. Atomic if the storage supports it."""
        self._fs.makedirs(self._path, exist_ok=True)
        target = f"{self._path}/{name}"
        try:
            if self._local:
                with self._fs.open(target, "xb") as file:
                    file.write(text.encode("utf-8"))
            else:
                self._fs.pipe_file(target, text.encode("utf-8"), mode="create")
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with everything in it. Do nothing if it does not exist."""
        try:
            self._fs.rm(f"{self._path}/{name}", recursive=True)
        except FileNotFoundError:
            return
