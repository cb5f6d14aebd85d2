"""The old module name `bert_spark.tracking`, for MLflow models saved before version 0.2."""

from bert_spark.training.mlflow_model import NullableLabels as Labels
from bert_spark.training.mlflow_model import TextClassifier, _load_pyfunc

__all__ = ["Labels", "TextClassifier", "_load_pyfunc"]
