"""The package is sent to the executors of each session once."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bert_spark.spark import package_shipping
from tests.support.recording_session import RecordingSession


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """Restore sys.path at the end."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_each_session_of_a_process_gets_the_package_once():
    first, second = RecordingSession(), RecordingSession()
    for session in (first, second, second):
        package_shipping.ship_package(session)
    archives = [files for session in (first, second) for _, files in session.sent]
    assert ["bert_spark/spark/session.py" in files for files in archives] == [True, True]


def test_a_package_sent_with_py_files_is_not_sent_again(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/x/bert_spark-0123456789ab.zip", *sys.path])
    package_shipping.ship_package(session := RecordingSession())
    assert session.sent == []


def test_classic_spark_3_5_gets_the_package_by_add_py_file():
    """A classic session of Spark 3.5 has addArtifacts, but refuses it."""

    class Classic:
        def __init__(self):
            self.sent = []
            self.sparkContext = SimpleNamespace(addPyFile=self.sent.append)

        def addArtifacts(self, *paths, pyfile):
            raise RuntimeError("SparkSession.addArtifact(s) is only supported with Spark Connect")

    classic = Classic()
    package_shipping.ship_package(classic)
    assert [Path(path).name for path in classic.sent] == [package_shipping.ARCHIVE]
