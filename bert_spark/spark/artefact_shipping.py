"""Where an executor finds an artefact: on a path that it sees, or among the files that the session was sent."""

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
    """Tell whether Spark sends files to this session's executors alone: from 4.0 on, on Connect from 3.5 on."""
    return spark.version >= "4" or "connect" in type(spark).__module__


def ship_artefact(spark: SparkSession, path: str, digest: str) -> None:
    """Send an artefact that only the driver sees to the session's executors, once; they verify it as any other.

    Parameters
    ----------
    spark
        The session, of Spark 4.0 or later.
    path, digest
        Of the artefact.
    """
    fs, root = url_to_fs(path)
    name = _archive_name(digest)
    files = [METADATA_FILE, *json.loads(fs.cat_file(f"{root}/{METADATA_FILE}"))["sha256"]]
    folder = tempfile.mkdtemp(prefix="bert_spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the driver serves the file as long as it lives
    archive = Path(folder) / f"{name}.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in files:
            with fs.open(f"{root}/{file}", "rb") as source, target.open(file, "w", force_zip64=True) as copy:
                shutil.copyfileobj(source, copy, 1 << 24)
    spark.addArtifacts(f"{archive}#{name}", archive=True)


@lru_cache(maxsize=8)
def artefact_folder_here(path: str, digest: str) -> str:
    """Return the folder from which this process loads an artefact: its path, else what the session was sent.

    Raises
    ------
    ArtefactError
        When neither is the artefact of this digest.
    """
    found = _digest_of_folder(path)
    if found == digest:
        return path
    sent = _shipped_folder(digest)
    if sent and _digest_of_folder(sent) == digest:
        return sent
    there = f"holds another one ({found[:12]}, not {digest[:12]})" if found else "can't be read here"
    raise ArtefactError(f"artefact {path!r} {there}, and the session was not sent it; put it on a path that all see")


def _archive_name(digest: str) -> str:
    return f"bert_spark-artefact-{digest[:16]}"


def _shipped_folder(digest: str) -> str:
    """Return where a task finds the artefact if it was sent; "" on a driver."""
    try:
        from pyspark import SparkFiles, TaskContext
    except ImportError:
        return ""
    return f"{SparkFiles.getRootDirectory()}/{_archive_name(digest)}" if TaskContext.get() is not None else ""


def _digest_of_folder(folder: str) -> str:
    """Return the digest of the artefact in a folder; "" where none can be read."""
    try:
        fs, root = url_to_fs(folder)
        return hashlib.sha256(fs.cat_file(f"{root}/{METADATA_FILE}")).hexdigest()
    except Exception:  # each file system has errors of its own: no such file, no rights, no network
        return ""
