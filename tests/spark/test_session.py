"""The session that a job gets: whose it is, and how the package reaches the executors."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from bert_spark.spark import package_shipping
from bert_spark.spark.session import current_session, spark_session

pytest.importorskip("pyspark", reason="pyspark missing: pip install pyspark")
from pyspark.sql import SparkSession


def test_session_of_databricks_is_never_stopped(monkeypatch):
    class Session:
        _bert_spark_shipped = True
        stopped = False

        def stop(self):
            Session.stopped = True

    monkeypatch.setattr("bert_spark.spark.session.current_session", lambda: None)
    monkeypatch.setattr("bert_spark.spark.session.build_session", lambda name, conf: Session())
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    with spark_session("job", {}):
        pass
    assert not Session.stopped
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION")
    with spark_session("job", {}):
        pass
    assert Session.stopped


def test_package_goes_the_classic_way_where_artifacts_are_for_connect_alone():
    """Spark 3.5's classic session has addArtifacts, and refuses it."""

    class Classic:
        def __init__(self):
            self.sent = []
            self.sparkContext = SimpleNamespace(addPyFile=self.sent.append)

        def addArtifacts(self, *paths, pyfile):
            raise RuntimeError("SparkSession.addArtifact(s) is only supported with Spark Connect")

    classic = Classic()
    package_shipping.ship_package(classic)
    assert [Path(path).name for path in classic.sent] == [package_shipping.ARCHIVE]


def test_a_thread_without_a_session_takes_the_process_own_and_leaves_it_running(spark):
    """Otherwise a job started there would build on a notebook's session, and stop it at its end."""
    found = []

    def job():
        spark._jvm.org.apache.spark.sql.SparkSession.clearActiveSession()
        assert SparkSession.getActiveSession() is None
        with spark_session("job", {}) as mine:
            found.append(mine)

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert found == [spark]
    assert spark.range(3).count() == 3


def test_a_session_that_was_stopped_is_none(monkeypatch):
    stopped = SimpleNamespace(_sc=SimpleNamespace(_jsc=None))
    monkeypatch.setattr("pyspark.sql.SparkSession.active", lambda: stopped)
    assert current_session() is None
