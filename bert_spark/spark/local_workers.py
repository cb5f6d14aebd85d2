"""Prepare the Python workers of a local session while the driver reads its input.

Executors of a cluster start as always: their daemon may not find this package.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.settings import JobSettings

logger = logging.getLogger(__name__)

ENCODING = ("bert_spark.encoding.encoder_cache", "transformers.models.auto.tokenization_auto")
SCORING = ("bert_spark.artefact.loading",)
DESCRIPTION = "bert_spark: start the Python workers"  # in Spark's web pages
_DAEMON = "spark.python.daemon.module"
_SHORT_TRACES = "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled"
_ROOT = Path(__file__).resolve().parents[2]  # the folder, or the zip, that holds this package


def task_imports(job: JobSettings) -> tuple[str, ...]:
    """Return the modules that the tasks of a job import and that take seconds."""
    if job.name == "score":
        return SCORING if job.score.embedding_column else (*SCORING, *ENCODING)
    if job.name in ("train", "search") and (job.train.embeddings is not None or job.train.features == "tfidf"):
        return ()
    return ENCODING


def local_cores(spark: SparkSession) -> int:
    """Return how many tasks a local session runs at once; 1 on a cluster and on Spark Connect."""
    try:
        context: Any = spark.sparkContext
        return int(context.defaultParallelism) if context._jsc.sc().isLocal() else 1
    except Exception as err:  # no classic session, or its internals are hidden
        logger.debug("the cores are not known: %s", err)
        return 1


@contextmanager
def prepared_workers(spark: SparkSession, modules: tuple[str, ...]) -> Iterator[None]:
    """Start the Python side of a local session in the background: one process imports `modules` and forks the workers.

    Does nothing on a cluster, on Spark Connect, or if the workers have a Python or a daemon of the user's choice.
    """
    thread = None
    if modules and _use_own_daemon(spark, modules):
        thread = threading.Thread(target=_start_daemon, args=(spark,), name="bert_spark workers", daemon=True)
        thread.start()
    try:
        yield
    finally:
        if thread is not None:
            thread.join()  # Spark logs an error if it stops in the middle of a start


def _use_own_daemon(spark: SparkSession, modules: tuple[str, ...]) -> bool:
    """Tell a local session to fork its workers from `worker_daemon`; return whether it was told."""
    from bert_spark.spark.worker_daemon import MODULES

    try:
        context: Any = spark.sparkContext
        java = context._jsc.sc()
        own_python = shutil.which(context.pythonExec) == sys.executable
        if not java.isLocal() or not own_python or java.conf().contains(_DAEMON):
            return False
        java.conf().set(_DAEMON, "bert_spark.spark.worker_daemon")  # read when the first worker starts
    except Exception as err:  # no classic session, or its internals are hidden
        logger.debug("workers are not prepared: %s", err)
        return False
    context.environment[MODULES] = ",".join(modules)
    if spark.conf.get(_SHORT_TRACES, "true") == "true":  # Spark SQL sets it for its tasks, and the RDD's must match:
        context.environment["SPARK_SIMPLIFIED_TRACEBACK"] = "1"  # of other variables Spark would start a second daemon
    if "site-packages" not in _ROOT.parts:
        context.environment["PYTHONPATH"] = str(_ROOT)
    return True


def _start_daemon(spark: SparkSession) -> None:
    """Run an empty task in Python: of an RDD, since Spark SQL would plan for a second first."""
    try:
        spark.sparkContext.setJobDescription(DESCRIPTION)  # of this thread's jobs only
        spark.sparkContext.parallelize([0], 1).count()
    except Exception as err:  # the job's own tasks report it
        logger.debug("workers are not prepared: %s", err)
