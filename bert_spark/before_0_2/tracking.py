"""The name `bert_spark.tracking`, which MLflow models saved before version 0.2 use."""

from bert_spark.training.mlflow_model import TextClassifier, _load_pyfunc

__all__ = ["TextClassifier", "_load_pyfunc"]
