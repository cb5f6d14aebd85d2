"""Run jobs/notebook.py cell by cell, as Databricks does, with thin stand-ins for what a notebook finds there.

As a program, `notebook_cells.py MODEL ARTEFACT OUT`, on the Spark of SPARK_REMOTE: writes what was displayed, as JSON.
"""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from tests.support.paths import ROOT

NOTEBOOK = ROOT / "jobs" / "notebook.py"
TWEETS = [(i, text, word) for i in range(60) for word, text in (("joy", f"so happy {i}"), ("sad", f"so sad {i}"))]


class Widgets:
    """The widgets of a notebook whose user has set some."""

    def __init__(self, given):
        self.given, self.values = given, {}

    def text(self, name, default, label=""):
        self.values[name] = self.given.get(name, default)

    def dropdown(self, name, default, choices, label=""):
        assert default in choices
        self.text(name, default)

    def get(self, name):
        return self.values[name]


def cells():
    """Return the notebook's cells of Python; those of magic commands are Databricks' own."""
    first, *rest = NOTEBOOK.read_text(encoding="utf-8").split("\n")
    assert first == "# Databricks notebook source"
    return [cell for cell in "\n".join(rest).split("\n# COMMAND ----------\n") if "# MAGIC" not in cell]


def run(spark, given):
    """Run all cells; return the tables that they displayed, as (columns, rows)."""
    displayed = []
    names = {
        "spark": spark,
        "dbutils": SimpleNamespace(widgets=Widgets(given)),
        "display": lambda df: displayed.append((df.columns, [row.asDict() for row in df.collect()])),
    }
    for number, cell in enumerate(cells()):
        exec(compile(cell, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    return displayed


def settings(model, artefact, catalog="spark_catalog"):
    """Return what the widgets are set to: tables by their three-level names."""
    tables = {name: f"{catalog}.default.{name}" for name in ("embeddings_table", "scores_table")}
    given = {"input": f"{catalog}.default.tweets", "label_column": "emotion", "id_column": "id", **tables}
    return given | {"model": str(model), "artefact": str(artefact), "max_length": "20", "precision": "float32"}


def make_tweets(spark):
    """Make the input table."""
    spark.sql("DROP TABLE IF EXISTS spark_catalog.default.tweets")
    spark.createDataFrame([*TWEETS, (60, None, "sad")], "id int, text string, emotion string").write.saveAsTable(
        "tweets"
    )


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.getOrCreate()
    make_tweets(session)
    shown = run(session, settings(*sys.argv[1:3]))
    told = {"session": type(session).__module__, "alive": session.range(3).count(), "shown": shown}
    Path(sys.argv[3]).write_text(json.dumps(told))
