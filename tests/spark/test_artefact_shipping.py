"""An artefact that only the driver can read is sent to the session, and a task loads that copy."""

import json
import shutil
from types import SimpleNamespace

import pytest

from bert_spark.errors import ArtefactError
from bert_spark.spark import artefact_shipping
from tests.support.recording_session import RecordingSession


@pytest.fixture(autouse=True)
def empty_cache():
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


def test_the_archive_holds_every_file_and_is_named_by_the_digest(artefact):
    folder, digest = artefact
    artefact_shipping.ship_artefact(session := RecordingSession(), str(folder), digest)
    ((name, files),) = session.sent
    assert name == f"bert_spark-artefact-{digest[:16]}"
    assert files == {
        "metadata.json": (folder / "metadata.json").read_bytes(),
        "head.skops": b"head",
        "model/x": b"weights",
    }


def test_a_task_uses_the_path_if_it_can_read_it(artefact):
    folder, digest = artefact
    assert artefact_shipping.artefact_folder_here(str(folder), digest) == str(folder)


def test_a_task_uses_the_sent_copy_if_the_path_holds_no_or_another_artefact(artefact, tmp_path, monkeypatch):
    pyspark = pytest.importorskip("pyspark")
    folder, digest = artefact
    monkeypatch.setattr(pyspark.TaskContext, "get", lambda: SimpleNamespace())
    monkeypatch.setattr(pyspark.SparkFiles, "getRootDirectory", lambda: str(tmp_path))
    sent = shutil.copytree(folder, tmp_path / f"bert_spark-artefact-{digest[:16]}")
    assert artefact_shipping.artefact_folder_here("nowhere", digest) == str(sent)
    (folder / "metadata.json").write_text("{}")
    assert artefact_shipping.artefact_folder_here(str(folder), digest) == str(sent)


@pytest.mark.parametrize("another", [True, False])
def test_an_artefact_that_a_task_cannot_find_is_refused(artefact, another):
    folder, _ = artefact
    path = str(folder) if another else "nowhere"
    problem = r"is another artefact here \([0-9a-f]{12}, not aaaaaaaaaaaa\)" if another else "can't be read here"
    with pytest.raises(ArtefactError, match=rf"{problem}, and the session did not send it; put it on a path"):
        artefact_shipping.artefact_folder_here(path, "a" * 64)
