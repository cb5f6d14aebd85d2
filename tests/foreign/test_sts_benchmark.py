"""Spearman's correlation on the STS benchmark is that of sentence-transformers, within 1e-4."""

import json

import pytest

from bert_spark.estimators.bert_transformer import BertTransformer
from tests.support.paths import ROOT
from tests.support.sts_benchmark import CARRIED, RECIPES, read_pairs, spearman

FOLDER = ROOT / "tests" / "data" / "sts_benchmark"


@pytest.mark.packaged
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_correlation_of_sentence_transformers(recipe):
    pairs = read_pairs(FOLDER / "pairs.tsv")
    assert len(pairs) == CARRIED
    values = json.loads((FOLDER / "values.json").read_text(encoding="utf-8"))["carried"]
    texts = [text for pair in pairs for text in (pair.first, pair.second)]
    vectors = BertTransformer(**RECIPES[recipe], device="cpu").fit_transform(texts)
    assert spearman(pairs, vectors) == pytest.approx(values[recipe], abs=1e-4)
