"""Run jobs/notebook.py cell by cell as Databricks does, with fakes of `dbutils` and `display`, and as a script.

As a program, `notebook_cells.py MODEL FOLDER` does both on the Spark of SPARK_REMOTE. It writes the displayed tables to
FOLDER/result.json.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

from tests.support.paths import ROOT

NOTEBOOK = ROOT / "jobs" / "notebook.py"
TWEETS = [(i, text, word) for i in range(60) for word, text in (("joy", f"so happy {i}"), ("sad", f"so sad {i}"))]


class Widgets:
    """A fake of `dbutils.widgets`: `values_set` are the values that a user has set."""

    def __init__(self, values_set):
        self.values_set, self.values = values_set, {}

    def text(self, name, default, label=""):
        self.values[name] = self.values_set.get(name, default)

    def dropdown(self, name, default, choices, label=""):
        assert default in choices
        self.text(name, default)

    def get(self, name):
        return self.values[name]


def cells():
    """Return the Python cells of the notebook. Cells of magic commands are for Databricks only."""
    first, *rest = NOTEBOOK.read_text(encoding="utf-8").split("\n")
    assert first == "# Databricks notebook source"
    return [cell for cell in "\n".join(rest).split("\n# COMMAND ----------\n") if "# MAGIC" not in cell]


def run_cells(spark, widgets):
    """Run all cells with these widgets; return the displayed tables as (columns, rows)."""
    displayed = []
    names = {
        "spark": spark,
        "dbutils": SimpleNamespace(widgets=Widgets(widgets)),
        "display": lambda df: displayed.append((df.columns, [row.asDict() for row in df.collect()])),
    }
    for number, cell in enumerate(cells()):
        exec(compile(cell, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    return displayed


def settings(model, artefact, catalog="spark_catalog"):
    """Return the values of the widgets. Tables have three-level names."""
    tables = {name: f"{catalog}.default.{name}" for name in ("embeddings_table", "scores_table")}
    columns = {"input": f"{catalog}.default.tweets", "label_column": "emotion", "id_column": "id", **tables}
    return columns | {"model": str(model), "artefact": str(artefact), "max_length": "20", "precision": "float32"}


def run_script(model, folder):
    """Run the notebook as a script on TWEETS in a csv file. It prints its tables."""
    rows = "".join(f"{number},{text},{emotion}\n" for number, text, emotion in TWEETS)
    (folder / "tweets.csv").write_text("id,text,emotion\n" + rows)
    widgets = settings(model, folder / "artefact") | {"input": str(folder / "tweets.csv"), "format": "csv"}
    sys.argv = [str(NOTEBOOK), *(f"{name}={value}" for name, value in widgets.items())]
    runpy.run_path(str(NOTEBOOK), run_name="__main__")


def make_tweets(spark):
    """Create the input table."""
    spark.sql("DROP TABLE IF EXISTS spark_catalog.default.tweets")
    spark.createDataFrame([*TWEETS, (60, None, "sad")], "id int, text string, emotion string").write.saveAsTable(
        "tweets"
    )


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    model, folder = sys.argv[1], Path(sys.argv[2])
    session = SparkSession.builder.getOrCreate()
    make_tweets(session)
    displayed = run_cells(session, settings(model, folder / "artefact"))
    run_script(model, folder)
    result = {"session": type(session).__module__, "alive": session.range(3).count(), "displayed": displayed}
    (folder / "result.json").write_text(json.dumps(result))
