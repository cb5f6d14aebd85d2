"""From texts, vectors and labels to a fitted pipeline, its metrics and its report.

Owns splits, classifiers, fitting, evaluation, the grid search, the report, and MLflow.
Refuses Spark: rows come in as lists and matrices.
May import `artefact`, `estimators`, `encoding` and the root modules. Never imports pyspark.
Other packages use `train_run` and `search_run` (one run of a job each), `config`, `examples`, and what checks rows
before BERT runs: `labels.check_labels`, `splits`, `heads.try_head`.
"""
