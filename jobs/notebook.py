# Databricks notebook source
# MAGIC %md
# MAGIC # Tweets to vectors, a classifier, labels
# MAGIC
# MAGIC Embeds the texts of a Unity Catalog table with BERT, trains a classifier on the vectors, and labels the table. The widgets
# MAGIC above are the settings; they have the names of the jobs' options. An empty widget leaves a setting at its default. Every
# MAGIC step is a job of the package: it prints a summary, and raises if it fails. Use a cluster with a GPU and a Databricks
# MAGIC Runtime for Machine Learning.
# MAGIC
# MAGIC This file also runs as a script: `./spark-submit.sh jobs/notebook.py input=tweets.csv format=csv artefact=artefact ...`

# COMMAND ----------

# MAGIC %pip install "/Volumes/main/default/bert_spark/bert_spark-0.2.0-py3-none-any.whl[minilm,report]"

# COMMAND ----------

# MAGIC %restart_python

# COMMAND ----------

import sys

try:
    from bert_spark.jobs import embed, score, train  # installed from the wheel
except ModuleNotFoundError:
    from jobs import embed, score, train  # a checkout: a Git folder on Databricks, or spark-submit.sh

from bert_spark.cli.notebook_widgets import outside_databricks, widget_options

if "dbutils" not in globals():
    spark, dbutils, display = outside_databricks(sys.argv[1:])

# COMMAND ----------

# MAGIC %md ## Settings

# COMMAND ----------

widgets, switch = dbutils.widgets, ["true", "false"]

# Tables are named catalog.schema.table. The artefact is a folder of a Volume. config is a TOML file for settings without a widget.
widgets.text("input", "main.default.tweets", "input table")
widgets.text("embeddings_table", "main.default.tweet_embeddings")
widgets.text("scores_table", "main.default.tweet_scores")
widgets.text("artefact", "/Volumes/main/default/bert_spark/artefact")
widgets.text("config", "")
widgets.dropdown("if_exists", "overwrite", ["error", "overwrite", "append"])

widgets.text("text_column", "text")
widgets.text("label_column", "label")
widgets.text("id_column", "")
widgets.text("format", "table")
widgets.text("delimiter", "")
widgets.text("encoding", "")
widgets.dropdown("fail_on_malformed", "false", switch)
widgets.text("partition_mb", "")

widgets.text("model", "packaged:minilm-l6")
widgets.text("revision", "")
widgets.text("max_length", "")
widgets.text("pooling", "cls")
widgets.dropdown("normalize", "false", switch)
widgets.text("dimensions", "")
widgets.text("prompt", "")
widgets.dropdown("precision", "float32", ["float32", "bfloat16", "float16", "int8", "auto"])
widgets.dropdown("engine", "torch", ["torch", "openvino"])
widgets.dropdown("clean", "off", ["off", "tweets", "tweets+emoji"])
widgets.dropdown("long_text", "truncate", ["truncate", "windows"])
widgets.text("token_budget", "")
widgets.text("window_rows", "")
widgets.text("device", "auto")
widgets.text("embedding_column", "embedding")
widgets.text("error_column", "error")
widgets.dropdown("diagnostics", "true", switch)
widgets.text("reuse", "")

widgets.dropdown("features", "bert", ["bert", "bert+tfidf"])
widgets.text("head", "sklearn.svm.LinearSVC")
widgets.dropdown("calibrate", "off", ["off", "sigmoid", "isotonic"])
widgets.dropdown("scale", "false", switch)
widgets.text("tfidf_weight", "")
widgets.text("max_rows", "")
widgets.text("seed", "")
widgets.dropdown("baseline", "true", switch)
widgets.dropdown("examples", "false", switch)
widgets.dropdown("bundle", "false", switch)
widgets.dropdown("mlflow", "false", switch)

widgets.dropdown("scores", "false", switch)
widgets.text("min_probability", "")

embeddings, scored, artefact = (widgets.get(name) for name in ("embeddings_table", "scores_table", "artefact"))
common = widget_options(widgets, "config", "text_column")
table_output = ["--output-format=table", *widget_options(widgets, "if_exists", "error_column")]

# COMMAND ----------

# MAGIC %md ## Embed

# COMMAND ----------

source = widget_options(
    widgets, "input", "format", "id_column", "delimiter", "encoding", "fail_on_malformed", "partition_mb"
)
precision = widget_options(widgets, "precision", "engine", "token_budget", "window_rows", "device")
encoder = widget_options(
    *(widgets, "model", "revision", "max_length", "pooling", "normalize", "dimensions", "prompt"),
    *("clean", "long_text", "embedding_column"),
)
extras = widget_options(widgets, "diagnostics", "reuse")
embed.embed([*common, *source, *encoder, *precision, *table_output, *extras, f"--output={embeddings}"])

# COMMAND ----------

display(spark.table(embeddings).drop(widgets.get("embedding_column")))

# COMMAND ----------

# MAGIC %md ## Train: the report is in the folder of the artefact

# COMMAND ----------

training = widget_options(widgets, "label_column", "embedding_column", "features", "tfidf_weight", "max_rows", "seed")
classifier = widget_options(widgets, "head", "calibrate", "scale", "baseline", "examples", "bundle", "mlflow")
train.train([*common, *training, *classifier, f"--embeddings={embeddings}", f"--output={artefact}", "--overwrite"])

# COMMAND ----------

# MAGIC %md ## Score: BERT does not run again

# COMMAND ----------

scoring = widget_options(widgets, "embedding_column", "scores", "min_probability")
table_input = ["--format=table", f"--input={embeddings}"]
score.score([*common, *table_input, *table_output, *scoring, f"--artefact={artefact}", f"--output={scored}"])

# COMMAND ----------

display(spark.table(scored))
