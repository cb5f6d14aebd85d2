"""The old module name `bert_spark.config`, for pickles and joblib files saved before version 0.2."""

from bert_spark.encoding.config import EncoderConfig

__all__ = ["EncoderConfig"]
