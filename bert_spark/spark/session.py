"""Get the Spark session: the active one, a Connect server's, or a new one with this package on its executors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bert_spark import errors
from bert_spark.errors import BertSparkError, SetupError
from bert_spark.spark.package_shipping import ship_package

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# Where this process starts Spark itself; under spark-submit its own options and files decide.
QUIET = {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"}
ARROW = {"spark.sql.execution.arrow.pyspark.enabled": "true"}


@contextmanager
def spark_session(name: str, conf: Mapping[str, str]) -> Iterator[SparkSession]:
    """Give the active session, or build one and stop it at the end.

    Parameters
    ----------
    name
        Shown in Spark's pages.
    conf
        Spark settings; "spark.remote" connects to a Connect server.

    Raises
    ------
    SetupError
        When pyspark is not installed or Spark does not start.
    BertSparkError
        Of the kind that a task raised, where that is why Spark gave the job up.
    """
    try:
        from pyspark.errors import PySparkException
    except ImportError as err:
        raise SetupError("pyspark is not installed here; pip install 'bert-spark[spark]'") from err
    found = current_session()
    spark = found or build_session(name, conf)
    try:
        ship_package(spark)
        yield spark
    except PySparkException as err:
        raise (own_error_in(err) or err) from err
    finally:
        if found is None and "DATABRICKS_RUNTIME_VERSION" not in os.environ:  # there the session is the cluster's
            spark.stop()


def current_session() -> SparkSession | None:
    """Return this thread's session, else the process's; None where there is none.

    A thread can be without one where the process has one, which must then be neither built again nor stopped.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        session = SparkSession.active()
    except PySparkException:
        return None
    context = getattr(session, "_sc", None)  # only classic Spark has one; it loses its JVM when it is stopped
    return None if context is not None and getattr(context, "_jsc", None) is None else session


def own_error_in(err: Exception) -> BertSparkError | None:
    """Return the error of ours that a task raised and Spark wraps in its own stack; None where there is none."""
    kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    for name, message in reversed(re.findall(r"^(?:bert_spark\.errors\.)?(\w+Error): (.+)$", str(err), re.MULTILINE)):
        if name in kinds:
            cause: BertSparkError = kinds[name](message)
            return cause
    return None


def build_session(name: str, conf: Mapping[str, str]) -> SparkSession:
    """Return a new session, or the process's own where it has one: on this machine, a cluster, or a Connect server."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    conf = dict(conf)
    remote = conf.pop("spark.remote", None)
    server = remote or os.environ.get("SPARK_REMOTE")
    own_jvm = server is None and "PYSPARK_GATEWAY_PORT" not in os.environ
    if (own_jvm and conf.get("spark.master", "local").startswith("local")) or (server or "").startswith("local"):
        # local workers would start the first python3 on PATH, which may be another one
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name)
    builder = builder.remote(remote) if remote else builder
    for key, value in {**ARROW, **(QUIET if own_jvm else {}), **conf}.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, RuntimeError) as err:
        raise SetupError(
            f"Spark did not start ({type(err).__name__}); see the lines above; is Java 17+ on PATH?"
        ) from err
