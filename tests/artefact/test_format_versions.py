"""Older formats of an artefact load; others are refused with what to do."""

import json

import pytest

from bert_spark.artefact.loading import load_artefact
from bert_spark.errors import ArtefactError
from tests.support.artefacts import TEXTS, forge


def test_artefact_of_format_1_loads(saved):
    metadata = json.loads((saved / "metadata.json").read_text())
    for name in ("scores", "features", "bundled"):
        del metadata[name]
    (saved / "metadata.json").write_text(json.dumps(metadata | {"format_version": 1}))
    loaded = load_artefact(saved)
    assert not loaded.gives_probabilities
    assert set(loaded.pipeline.predict(TEXTS)) == {"+", "-", "o"}


@pytest.mark.parametrize(
    ("version", "message"),
    [(99, "this bert-spark reads up to 3; install the version that wrote it"), (None, "train it again")],
)
def test_unsupported_format_is_refused_with_what_to_do(saved, version, message):
    forge(saved, format_version=version)
    with pytest.raises(ArtefactError, match=message):
        load_artefact(saved)
