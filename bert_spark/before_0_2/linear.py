"""The old module name `bert_spark.linear`, for artefacts, pickles and joblib files saved before version 0.2."""

from bert_spark.estimators.linear_svc import FastLinearSVC

__all__ = ["FastLinearSVC"]
