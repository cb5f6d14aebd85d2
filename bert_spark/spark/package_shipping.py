"""Send this package to the executors of a session."""

from __future__ import annotations

import atexit
import logging
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parents[1]  # the folder bert_spark/, with all its packages
# Spark leaves an archive on the driver's sys.path, also for the next session. Its name tells it from one of --py-files.
ARCHIVE = "bert_spark-of-session.zip"


def ship_package(spark: SparkSession) -> None:
    """Send this package to the executors, once per session.

    Do nothing if the package is installed, or was sent with --py-files.
    """
    archives = [name for entry in sys.path if (name := Path(entry).name).endswith(".zip")]
    in_py_files = any(name.startswith("bert_spark") and name != ARCHIVE for name in archives)
    if in_py_files or "site-packages" in PACKAGE.parts or getattr(spark, "_bert_spark_shipped", False):
        return
    folder = tempfile.mkdtemp(prefix="bert_spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the driver serves the file until it ends
    archive = Path(folder) / ARCHIVE
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(PACKAGE.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                target.write(path, path.relative_to(PACKAGE.parent))
    try:
        spark.addArtifacts(str(archive), pyfile=True)
    except RuntimeError:  # Spark 3.5 has the method, but supports it with Connect only
        getattr(spark, "sparkContext").addPyFile(str(archive))  # noqa: B009
    spark._bert_spark_shipped = True  # type: ignore[attr-defined]
    logger.info("sent the package to the executors")
