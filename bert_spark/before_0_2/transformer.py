"""The old module name `bert_spark.transformer`, for artefacts, pickles and joblib files saved before version 0.2."""

from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

__all__ = ["BertTransformer", "TextCleaner"]
