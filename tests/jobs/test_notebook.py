"""jobs/notebook.py, cell by cell and as a plain script, on classic Spark and on Spark Connect."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pyspark
import pytest

from bert_spark import EncoderConfig
from bert_spark.cli.notebook_widgets import ScriptWidgets, widget_options
from bert_spark.errors import ConfigError, DataError
from bert_spark.runs.config import EmbedConfig
from bert_spark.tables.input_format import format_from_name
from bert_spark.training.config import HeadConfig
from tests.support import notebook_cells
from tests.support.notebook_cells import NOTEBOOK, ROOT, TWEETS, make_tweets, run, settings

CONNECT = pytest.mark.skipif(pyspark.__version__ < "4", reason="pip's Spark 3.5 has no Connect server")
ROWS = len(TWEETS) + 1


def called(*command, cwd, **variables):
    mine = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"} | variables
    done = subprocess.run([*map(str, command)], cwd=cwd, env=mine, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


def check(displayed):
    (columns, embedded), (_, scored) = displayed
    assert columns == ["id", "text", "emotion", "error", "token_count", "truncated", "unknown_share"]
    assert len(embedded) == len(scored) == ROWS
    labels = {(row["id"], row["emotion"]): row["label"] for row in scored}
    assert labels.pop((60, "sad")) is None
    assert all(label == emotion for (_, emotion), label in labels.items())


@pytest.fixture
def tables(spark):
    make_tweets(spark)
    yield
    for name in ("tweets", "embeddings_table", "scores_table"):
        spark.sql(f"DROP TABLE IF EXISTS {name}")


def test_cells_run_on_classic_spark_and_leave_its_session(spark, tables, tiny_bert, tmp_path):
    check(run(spark, settings(tiny_bert, tmp_path / "artefact")))
    assert spark.range(3).count() == 3


@CONNECT
def test_cells_run_on_spark_connect_and_leave_its_session(tiny_bert, tmp_path):
    program = [sys.executable, notebook_cells.__file__, tiny_bert, tmp_path / "artefact", tmp_path / "told.json"]
    called(*program, cwd=tmp_path, SPARK_REMOTE="local[2]")
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["session"], told["alive"]) == ("pyspark.sql.connect.session", 3)
    check(told["shown"])


@pytest.mark.parametrize("spark_remote", [None, pytest.param("local[2]", marks=CONNECT)])
def test_it_runs_as_a_plain_script(tiny_bert, tmp_path, spark_remote):
    rows = "".join(f"{number},{text},{emotion}\n" for number, text, emotion in TWEETS)
    (tmp_path / "tweets.csv").write_text("id,text,emotion\n" + rows)
    given = settings(tiny_bert, tmp_path / "artefact") | {"input": str(tmp_path / "tweets.csv"), "format": "csv"}
    words = [f"{name}={value}" for name, value in given.items()]
    remote = {} if spark_remote is None else {"SPARK_REMOTE": spark_remote}
    printed = called(sys.executable, NOTEBOOK, *words, cwd=tmp_path, **remote)
    assert f"score: {len(TWEETS)} rows" in printed
    assert "|label|" in printed


def test_a_failing_step_raises_and_leaves_the_session(spark, tables, tiny_bert, tmp_path):
    with pytest.raises(DataError, match="column 'emotions' not found"):
        run(spark, settings(tiny_bert, tmp_path / "artefact") | {"label_column": "emotions"})
    with pytest.raises(ConfigError, match=r"max-length.*invalid int value"):
        run(spark, settings(tiny_bert, tmp_path / "artefact") | {"max_length": "sixty"})
    assert spark.range(3).count() == 3


def test_every_setting_of_encoder_and_classifier_has_a_widget():
    known = set(re.findall(r'widgets\.(?:text|dropdown)\("(\w+)"', NOTEBOOK.read_text()))
    wanted = {spec.name for kind in (EncoderConfig, EmbedConfig) for spec in dataclasses.fields(kind) if spec.metadata}
    head = {spec.name for spec in dataclasses.fields(HeadConfig)} - {"class_name", "options"} | {"head"}
    assert (wanted | head) - known == set()  # the head's options are in TOML only


def test_widgets_become_options_and_empty_ones_nothing():
    widgets = ScriptWidgets(["text_column=body", "scale=true"])
    for name, default in {"text_column": "text", "id_column": "", "scale": "false", "bundle": "false"}.items():
        widgets.text(name, default)
    found = widget_options(widgets, "text_column", "id_column", "scale", "bundle")
    assert found == ["--text-column=body", "--scale", "--no-bundle"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["body"], r"got \['body'\]; expected NAME=VALUE"),
        (["text_colum=body"], r"there are no widgets \['text_colum'\]"),
        (["pooling=median"], "pooling='median' is unknown; known are"),
    ],
)
def test_wrong_words_of_the_script_are_refused(arguments, said):
    def read():
        widgets = ScriptWidgets(arguments)
        widgets.text("text_column", "text")
        widgets.dropdown("pooling", "cls", ["cls", "mean"])
        widgets.get("text_column")

    with pytest.raises(ConfigError, match=said):
        read()


@pytest.mark.parametrize(
    "name", ["tweets", "default.tweets", "main.default.tweets", "`my-catalog`.default.`my tweets`"]
)
def test_names_of_tables_are_told_from_paths(name):
    assert format_from_name(name) == "table"
