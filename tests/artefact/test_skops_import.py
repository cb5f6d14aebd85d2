"""Vectors are scored without torch: neither this package nor skops imports it for that."""

SCORED = """
import sys
import numpy as np
from bert_spark.artefact.loading import load_artefact
artefact = load_artefact({folder!r})
print(artefact.decision(["", ""], np.zeros((2, artefact.vector_width), np.float32)).shape, "torch" in sys.modules)
"""


def test_an_artefact_is_loaded_and_scores_vectors_without_torch(saved, run_fresh):
    assert run_fresh(SCORED.format(folder=str(saved))) == "(2, 3) False"


def test_what_skops_was_imported_without_can_be_imported_afterwards(run_fresh):
    code = "import bert_spark.artefact.skops_audit, sklearn.externals.array_api_compat.torch as t; print(t.__name__)"
    assert run_fresh(code) == "sklearn.externals.array_api_compat.torch"
