"""The name `bert_spark.linear`, which artefacts, pickles and joblib files saved before version 0.2 use."""

from bert_spark.estimators.linear_svc import FastLinearSVC

__all__ = ["FastLinearSVC"]
