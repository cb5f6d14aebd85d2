"""Where an executor finds an artefact: at its path, or among the files that the session sent."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fsspec.core import url_to_fs

from bert_spark.artefact.format_versions import METADATA_FILE
from bert_spark.errors import ArtefactError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def can_ship_artefacts(spark: SparkSession) -> bool:
    """Tell whether this session can send files to its own executors: from Spark 4.0 on, with Connect from 3.5 on."""
    return spark.version >= "4" or "connect" in type(spark).__module__


def ship_artefact(spark: SparkSession, path: str, digest: str) -> None:
    """Send an artefact that only the driver can read to the session's executors. They verify it like any other.

    Parameters
    ----------
    spark
        A session for which `can_ship_artefacts` is true.
    path, digest
        Of the artefact.
    """
    fs, root = url_to_fs(path)
    name = _archive_name(digest)
    files = [METADATA_FILE, *json.loads(fs.cat_file(f"{root}/{METADATA_FILE}"))["sha256"]]
    folder = tempfile.mkdtemp(prefix="bert_spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the driver serves the file until it ends
    archive = Path(folder) / f"{name}.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in files:
            with fs.open(f"{root}/{file}", "rb") as source, target.open(file, "w", force_zip64=True) as copy:
                shutil.copyfileobj(source, copy, 1 << 24)
    spark.addArtifacts(f"{archive}#{name}", archive=True)


@lru_cache(maxsize=64)
def artefact_folder_here(path: str, digest: str) -> str:
    """Return the folder from which this process loads an artefact: its path, else the copy that the session sent.

    Raises
    ------
    ArtefactError
        If neither holds the artefact with this digest.
    """
    digest_at_path = _digest_of_folder(path)
    if digest_at_path == digest:
        return path
    shipped = _shipped_folder(digest)
    if shipped and _digest_of_folder(shipped) == digest:
        return shipped
    problem = (
        f"is another artefact here ({digest_at_path[:12]}, not {digest[:12]})"
        if digest_at_path
        else "can't be read here"
    )
    raise ArtefactError(
        f"artefact {path!r} {problem}, and the session did not send it; put it on a path that every executor can read"
    )


def _archive_name(digest: str) -> str:
    return f"bert_spark-artefact-{digest[:16]}"


def _shipped_folder(digest: str) -> str:
    """Return the folder in which a task finds the artefact if the session sent it; "" on a driver."""
    try:
        from pyspark import SparkFiles, TaskContext
    except ImportError:
        return ""
    return f"{SparkFiles.getRootDirectory()}/{_archive_name(digest)}" if TaskContext.get() is not None else ""


def _digest_of_folder(folder: str) -> str:
    """Return the digest of the artefact in a folder; "" if none can be read."""
    try:
        fs, root = url_to_fs(folder)
        return hashlib.sha256(fs.cat_file(f"{root}/{METADATA_FILE}")).hexdigest()
    except Exception:  # each file system raises its own errors: no such file, no permission, no network
        return ""
