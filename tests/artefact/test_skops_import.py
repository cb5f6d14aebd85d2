"""Vectors are scored without torch: neither this package nor skops imports it for that."""

import json

import numpy as np

from bert_spark.artefact.loading import load_artefact

SCORED = """
import json, sys
import numpy as np
from bert_spark.artefact.loading import load_artefact
artefact = load_artefact({folder!r})
scores = artefact.decision(["", ""], np.eye(2, artefact.vector_width, dtype=np.float32))
print(json.dumps([scores.tolist(), "torch" in sys.modules]))
"""


def test_an_artefact_is_loaded_and_scores_vectors_without_torch(saved, run_fresh):
    artefact = load_artefact(str(saved))
    scores, torch_imported = json.loads(run_fresh(SCORED.format(folder=str(saved))))
    expected = artefact.decision(["", ""], np.eye(2, artefact.vector_width, dtype=np.float32))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert not torch_imported


def test_what_skops_was_imported_without_can_be_imported_afterwards(run_fresh):
    code = "import bert_spark.artefact.skops_audit, sklearn.externals.array_api_compat.torch as t; print(t.__name__)"
    assert run_fresh(code) == "sklearn.externals.array_api_compat.torch"
