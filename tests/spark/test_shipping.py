"""What a session is sent: the package, once each, and an artefact, which a task finds where it can't read the path."""

import json
import shutil
import sys
import zipfile
from types import SimpleNamespace

import pytest

from bert_spark.errors import ArtefactError
from bert_spark.spark import artefact_shipping, package_shipping


class Session:
    """A session that takes what it is sent, and like Spark's own leaves it on the driver's sys.path."""

    def __init__(self):
        self.sent = []

    def addArtifacts(self, path, pyfile=False, archive=False):
        if pyfile:
            sys.path.insert(1, path)
        with zipfile.ZipFile(path.partition("#")[0]) as content:
            self.sent.append((path.partition("#")[2], {name: content.read(name) for name in content.namelist()}))


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    artefact_shipping.artefact_folder_here.cache_clear()


@pytest.fixture
def artefact(tmp_path):
    """Return a folder with the files of an artefact, and its digest."""
    folder = tmp_path / "artefact"
    folder.mkdir()
    (folder / "metadata.json").write_text(json.dumps({"sha256": {"head.skops": "", "model/x": ""}}))
    (folder / "head.skops").write_bytes(b"head")
    (folder / "model").mkdir()
    (folder / "model" / "x").write_bytes(b"weights")
    return folder, artefact_shipping._digest_of_folder(str(folder))


def test_each_session_of_a_process_is_sent_the_package_once():
    first, second = Session(), Session()
    for one in (first, second, second):
        package_shipping.ship_package(one)
    assert ["bert_spark/spark/session.py" in files for one in (first, second) for _, files in one.sent] == [True, True]


def test_a_package_sent_with_py_files_is_not_sent_again(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/x/bert_spark-0123456789ab.zip", *sys.path])
    package_shipping.ship_package(one := Session())
    assert one.sent == []


def test_an_artefact_is_sent_whole_under_a_name_of_its_digest(artefact):
    folder, digest = artefact
    artefact_shipping.ship_artefact(one := Session(), str(folder), digest)
    ((name, files),) = one.sent
    assert name == f"bert_spark-artefact-{digest[:16]}"
    assert files == {
        "metadata.json": (folder / "metadata.json").read_bytes(),
        "head.skops": b"head",
        "model/x": b"weights",
    }


def test_a_task_takes_the_path_where_it_can_be_read(artefact):
    folder, digest = artefact
    assert artefact_shipping.artefact_folder_here(str(folder), digest) == str(folder)


def test_a_task_takes_what_was_sent_where_the_path_holds_nothing_or_another_one(artefact, tmp_path, monkeypatch):
    pyspark = pytest.importorskip("pyspark")
    folder, digest = artefact
    monkeypatch.setattr(pyspark.TaskContext, "get", lambda: SimpleNamespace())
    monkeypatch.setattr(pyspark.SparkFiles, "getRootDirectory", lambda: str(tmp_path))
    sent = shutil.copytree(folder, tmp_path / f"bert_spark-artefact-{digest[:16]}")
    assert artefact_shipping.artefact_folder_here("nowhere", digest) == str(sent)
    (folder / "metadata.json").write_text("{}")
    assert artefact_shipping.artefact_folder_here(str(folder), digest) == str(sent)


@pytest.mark.parametrize("there", [True, False])
def test_an_artefact_that_is_nowhere_is_named_with_what_is_there(artefact, there):
    folder, _ = artefact
    path = str(folder) if there else "nowhere"
    told = r"holds another one \([0-9a-f]{12}, not aaaaaaaaaaaa\)" if there else "can't be read here"
    with pytest.raises(ArtefactError, match=rf"{told}, and the session was not sent it; put it on a path that all see"):
        artefact_shipping.artefact_folder_here(path, "a" * 64)
