"""The name `bert_spark.transformer`, which artefacts, pickles and joblib files saved before version 0.2 use."""

from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

__all__ = ["BertTransformer", "TextCleaner"]
