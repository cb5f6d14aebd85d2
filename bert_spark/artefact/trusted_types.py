"""The types that an artefact may hold besides scikit-learn's own."""

from __future__ import annotations

from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.letter_groups import LetterGroupCounts
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.text_cleaner import TextCleaner

_OWN: tuple[type, ...] = (BertTransformer, TextCleaner, LetterGroupCounts, FastLinearSVC)
# Artefacts of formats 1 and 2, written before version 0.2, use these names. `bert_spark/before_0_2` resolves them.
_BEFORE_0_2: dict[str, type] = {
    "bert_spark.transformer.BertTransformer": BertTransformer,
    "bert_spark.transformer.TextCleaner": TextCleaner,
    "bert_spark.linear.FastLinearSVC": FastLinearSVC,
}
TRUSTED_TYPES: dict[str, type] = {
    **{f"{kind.__module__}.{kind.__name__}": kind for kind in _OWN},
    **_BEFORE_0_2,
}
