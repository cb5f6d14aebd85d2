"""The session that a job gets, and whether it is stopped at the job's end."""

import threading
from types import SimpleNamespace

import pytest

from bert_spark.errors import SetupError
from bert_spark.spark.session import build_session, current_session, spark_session

pytest.importorskip("pyspark", reason="pyspark missing: pip install pyspark")
from pyspark.sql import SparkSession


def test_a_databricks_session_is_not_stopped(monkeypatch):
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


def test_a_thread_without_a_session_uses_the_one_of_the_process(spark):
    """Otherwise a job in a notebook's thread would stop the notebook's session at its end."""
    sessions = []

    def job():
        spark._jvm.org.apache.spark.sql.SparkSession.clearActiveSession()
        assert SparkSession.getActiveSession() is None
        with spark_session("job", {}) as session:
            sessions.append(session)

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert sessions == [spark]
    assert spark.range(3).count() == 3


def test_a_stopped_session_counts_as_none(monkeypatch):
    stopped = SimpleNamespace(_sc=SimpleNamespace(_jsc=None))
    monkeypatch.setattr("pyspark.sql.SparkSession.active", lambda: stopped)
    assert current_session() is None


LOCAL, CLUSTER = {"spark.master": "local[1]"}, {"spark.master": "spark://host:7077"}
FOLDER = "spark.python.unix.domain.socket.dir"


@pytest.mark.parametrize(
    ("conf", "variables", "folder", "expected"),
    [
        (LOCAL, {}, "/tmp", "/tmp"),
        (LOCAL | {FOLDER: "/mine"}, {}, "/tmp", "/mine"),
        (LOCAL, {}, f"/{'long' * 20}", None),
        (LOCAL, {"PYSPARK_UDS_MODE": "false"}, "/tmp", None),
        (LOCAL, {"PYSPARK_GATEWAY_PORT": "1"}, "/tmp", None),
        (CLUSTER, {}, "/tmp", None),
    ],
)
def test_java_and_python_talk_over_a_unix_socket_in_a_local_session(monkeypatch, conf, variables, folder, expected):
    for name in ("PYSPARK_UDS_MODE", "PYSPARK_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", lambda builder: builder._options)
    monkeypatch.setattr("tempfile.gettempdir", lambda: folder)
    SparkSession.builder._options.clear()
    options = dict(build_session("job", conf))
    SparkSession.builder._options.clear()
    assert options.get(FOLDER) == expected
    assert options.get("spark.python.unix.domain.socket.enabled") == ("true" if expected else None)


def test_a_unix_socket_with_too_long_a_path_is_an_error_that_names_the_way_out(monkeypatch):
    def start(builder):
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", start)
    with pytest.raises(SetupError, match=r"AF_UNIX path too long.*set PYSPARK_UDS_MODE=false"):
        build_session("job", LOCAL)
    SparkSession.builder._options.clear()
