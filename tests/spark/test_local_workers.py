"""The Python workers of a local session are forked from one process that has imported what tasks need."""

from types import SimpleNamespace

import pytest
from pyspark import daemon

from bert_spark.cli.command_line import parse_job
from bert_spark.spark.local_workers import ENCODING, SCORING, prepared_workers, task_imports
from bert_spark.spark.worker_daemon import end_quietly_with_spark
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("job", "arguments", "imports"),
    [
        ("embed", [], ENCODING),
        ("score", ["--artefact", "a"], (*SCORING, *ENCODING)),
        ("score", ["--artefact", "a", "--embedding-column", "e"], SCORING),
        ("train", ["--input", "a.csv"], ENCODING),
        ("train", ["--embeddings", "vectors"], ()),
        ("train", ["--features", "tfidf"], ()),
        ("search", ["--input", "a.csv"], ENCODING),
    ],
)
def test_a_job_imports_ahead_what_its_tasks_need(job, arguments, imports):
    assert task_imports(parse_job(str(ROOT / "jobs" / f"{job}.py"), None, arguments)) == imports


def test_workers_of_a_new_local_session_have_the_modules_and_a_missing_one_breaks_nothing(run_fresh):
    code = """
import os, sys
from pyspark.sql import functions as F
from bert_spark.spark.session import spark_session

def facts(number):
    daemon = open(f"/proc/{os.getppid()}/cmdline").read().split("\\0")[2]
    return f"{daemon} {'mailbox' in sys.modules} {os.getppid()}"

conf = {"spark.master": "local[1]", "spark.ui.enabled": "false"}
with spark_session("test", conf, ("mailbox", "no.such.module")) as spark:
    of_sql = spark.range(1).select(F.udf(facts, "string")("id")).head()[0].split()
    of_rdd = spark.sparkContext.parallelize([0], 1).map(facts).first().split()
    print(*of_sql[:2], of_sql == of_rdd)
"""
    last = run_fresh(code, SPARK_LOCAL_IP="127.0.0.1").splitlines()[-1]
    assert last == "bert_spark.spark.worker_daemon True True"  # the same daemon, which the first task has started


def test_a_worker_ends_without_a_stack_trace_when_spark_has_gone(monkeypatch):
    def worker(sock, authenticated):
        raise BrokenPipeError if authenticated else OSError("no")

    monkeypatch.setattr(daemon, "worker", worker)
    end_quietly_with_spark()
    assert daemon.worker(None, True) == 1
    with pytest.raises(OSError, match="no"):
        daemon.worker(None, False)


def test_a_daemon_of_the_users_choice_and_a_session_without_a_context_are_left_alone(spark):
    """The session of the tests names a daemon of its own."""
    with prepared_workers(spark, ENCODING), prepared_workers(SimpleNamespace(), ENCODING):
        assert spark.sparkContext.getConf().get("spark.python.daemon.module") == "tests.support.preloaded_daemon"
    assert "BERT_SPARK_TASK_IMPORTS" not in spark.sparkContext.environment
