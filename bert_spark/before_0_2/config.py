"""The name `bert_spark.config`, which pickles and joblib files saved before version 0.2 use."""

from bert_spark.encoding.config import EncoderConfig

__all__ = ["EncoderConfig"]
