"""Get the Spark session: the active one, a Connect server's, or a new one. The package is sent to its executors."""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bert_spark import errors
from bert_spark.errors import BertSparkError, SetupError
from bert_spark.spark.local_workers import prepared_workers
from bert_spark.spark.package_shipping import ship_package

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# Only if this process starts Spark itself: under spark-submit its own options and files decide. What is collected is
# checked against the driver's memory instead.
QUIET = {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false", "spark.driver.maxResultSize": "0"}
ARROW = {"spark.sql.execution.arrow.pyspark.enabled": "true"}


@contextmanager
def spark_session(name: str, conf: Mapping[str, str], imports: tuple[str, ...] = ()) -> Iterator[SparkSession]:
    """Yield the active session, or a new one that is stopped at the end.

    Parameters
    ----------
    name
        The application's name in Spark's web pages.
    conf
        Spark settings. "spark.remote" connects to a Connect server.
    imports
        Modules that the tasks import. A new local session imports them ahead, see `local_workers`.

    Raises
    ------
    SetupError
        If pyspark is not installed or Spark does not start.
    BertSparkError
        If a task raised it. Spark's own error is its cause.
    """
    try:
        from pyspark.errors import PySparkException
    except ImportError as err:
        raise SetupError("pyspark is not installed here; pip install 'bert-spark[spark]'") from err
    active = current_session()
    spark = active or build_session(name, conf)
    try:
        ship_package(spark)
        with prepared_workers(spark, imports if active is None else ()):
            yield spark
    except PySparkException as err:
        raise (package_error_in(err) or err) from err
    finally:
        # on Databricks the session belongs to the cluster
        if active is None and "DATABRICKS_RUNTIME_VERSION" not in os.environ:
            spark.stop()


def current_session() -> SparkSession | None:
    """Return this thread's session, else the process's; None if there is none.

    A thread may have no session while the process has one. That one must be neither built again nor stopped.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        session = SparkSession.active()
    except PySparkException:
        return None
    context = getattr(session, "_sc", None)  # classic Spark only; a stopped context has lost its JVM
    return None if context is not None and getattr(context, "_jsc", None) is None else session


def package_error_in(err: Exception) -> BertSparkError | None:
    """Return the error of this package that a task raised, from Spark's error around it; None if there is none."""
    kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    for name, message in reversed(re.findall(r"^(?:bert_spark\.errors\.)?(\w+Error): (.+)$", str(err), re.MULTILINE)):
        if name in kinds:
            cause: BertSparkError = kinds[name](message)
            return cause
    return None


def _unix_socket() -> dict[str, str]:
    """Return settings with which Java and Python talk over a Unix socket, from Spark 4.1 on.

    Over TCP each task in Python waits 40 ms for packets. Empty if there are no such sockets, if their paths are too
    long, or if the environment says what to do.
    """
    folder = tempfile.gettempdir()
    if not hasattr(socket, "AF_UNIX") or len(folder.encode()) > 60 or "PYSPARK_UDS_MODE" in os.environ:
        return {}
    name = "spark.python.unix.domain.socket"
    return {f"{name}.enabled": "true", f"{name}.dir": folder}


def build_session(name: str, conf: Mapping[str, str]) -> SparkSession:
    """Return a new session on this machine, a cluster or a Connect server, or the process's session if it has one.

    Parameters
    ----------
    name, conf
        As in `spark_session`.

    Raises
    ------
    SetupError
        If Spark does not start.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    conf = dict(conf)
    remote = conf.pop("spark.remote", None)
    server = remote or os.environ.get("SPARK_REMOTE")
    own_jvm = server is None and "PYSPARK_GATEWAY_PORT" not in os.environ
    if (own_jvm and conf.get("spark.master", "local").startswith("local")) or (server or "").startswith("local"):
        # local workers would start the first python3 on PATH, which may be another one
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if own_jvm:
            conf = _unix_socket() | conf
    builder = SparkSession.builder.appName(name)
    builder = builder.remote(remote) if remote else builder
    for key, value in {**ARROW, **(QUIET if own_jvm else {}), **conf}.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except OSError as err:
        raise SetupError(
            f"Python can't make its Unix socket to Java ({err}); set PYSPARK_UDS_MODE=false, or give Java a temporary "
            "folder with a shorter path (-Djava.io.tmpdir)"
        ) from err
    except (PySparkException, RuntimeError) as err:
        raise SetupError(
            f"Spark did not start ({type(err).__name__}); see the lines above; is Java 17+ on PATH?"
        ) from err
