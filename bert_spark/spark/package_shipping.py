"""Send this package to the executors of a session."""

from __future__ import annotations

import logging
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parents[1]  # the folder bert_spark/, with all its packages
ARCHIVE = "bert_spark-of-session.zip"  # what one session is sent stays on the driver's sys.path, for the next one too


def ship_package(spark: SparkSession) -> None:
    """Send this package to the executors, unless it is installed or was sent with --py-files already."""
    archives = [name for entry in sys.path if (name := Path(entry).name).endswith(".zip")]
    sent = any(name.startswith("bert_spark") and name != ARCHIVE for name in archives)
    if sent or "site-packages" in PACKAGE.parts or getattr(spark, "_bert_spark_shipped", False):
        return
    archive = Path(tempfile.mkdtemp(prefix="bert_spark-")) / ARCHIVE
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(PACKAGE.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                target.write(path, path.relative_to(PACKAGE.parent))
    try:
        spark.addArtifacts(str(archive), pyfile=True)
    except RuntimeError:  # Spark 3.5 has the method, for Connect alone
        getattr(spark, "sparkContext").addPyFile(str(archive))  # noqa: B009
    spark._bert_spark_shipped = True  # type: ignore[attr-defined]
    logger.info("sent the package to the executors")
