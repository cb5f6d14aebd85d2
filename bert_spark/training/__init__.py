"""From texts, vectors and labels to a fitted pipeline, its figures and its report.

Owns splits, classifiers, fitting, evaluation, the grid search, the report and MLflow.
Refuses Spark: rows come in as lists and matrices.
May import `artefact`, `estimators`, `encoding` and the root modules. Never imports pyspark at module level.
"""
