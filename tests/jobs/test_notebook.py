"""jobs/notebook.py cell by cell and as a script, on classic Spark and on Spark Connect."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pyspark
import pytest

from bert_spark import EncoderConfig
from bert_spark.errors import ConfigError, DataError
from bert_spark.runs.config import EmbedConfig
from bert_spark.training.config import HeadConfig
from tests.support import notebook_cells
from tests.support.notebook_cells import NOTEBOOK, ROOT, TWEETS, make_tweets, run_cells, run_script, settings
from tests.support.timeouts import HANGS_AFTER_S

CONNECT = pytest.mark.skipif(pyspark.__version__ < "4", reason="pip's Spark 3.5 has no Connect server")
ROWS = len(TWEETS) + 1


def check_displayed(displayed):
    (columns, embedded), (_, scored) = displayed
    assert columns == ["id", "text", "emotion", "error", "token_count", "truncated", "unknown_share"]
    assert len(embedded) == len(scored) == ROWS
    labels = {(row["id"], row["emotion"]): row["label"] for row in scored}
    assert labels.pop((60, "sad")) is None
    assert all(label == emotion for (_, emotion), label in labels.items())


def check_printed(printed):
    assert f"score: {len(TWEETS)} rows" in printed
    assert "|label|" in printed


@pytest.fixture
def tables(spark):
    make_tweets(spark)
    yield
    for name in ("tweets", "embeddings_table", "scores_table"):
        spark.sql(f"DROP TABLE IF EXISTS {name}")


def test_cells_run_on_classic_spark_and_keep_its_session(spark, tables, tiny_bert, tmp_path):
    check_displayed(run_cells(spark, settings(tiny_bert, tmp_path / "artefact")))
    assert spark.range(3).count() == 3


def test_notebook_runs_as_a_script(spark, tables, tiny_bert, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", sys.argv)
    run_script(tiny_bert, tmp_path)
    check_printed(capsys.readouterr().out)


@CONNECT
def test_cells_and_script_run_on_spark_connect_and_keep_its_session(tiny_bert, tmp_path):
    daemon = "--conf spark.python.daemon.module=tests.support.preloaded_daemon pyspark-shell"
    variables = {"PYTHONPATH": str(ROOT), "SPARK_REMOTE": "local[2]", "PYSPARK_SUBMIT_ARGS": daemon}
    done = subprocess.run(
        [sys.executable, notebook_cells.__file__, str(tiny_bert), str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    check_printed(done.stdout)
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["session"], result["alive"]) == ("pyspark.sql.connect.session", 3)
    check_displayed(result["displayed"])


def test_failing_step_raises_and_keeps_the_session(spark, tables, tiny_bert, tmp_path):
    with pytest.raises(DataError, match="column 'emotions' not found"):
        run_cells(spark, settings(tiny_bert, tmp_path / "artefact") | {"label_column": "emotions"})
    with pytest.raises(ConfigError, match=r"max-length.*invalid int value"):
        run_cells(spark, settings(tiny_bert, tmp_path / "artefact") | {"max_length": "sixty"})
    assert spark.range(3).count() == 3


def test_each_setting_of_encoder_and_classifier_has_a_widget():
    widgets = set(re.findall(r'widgets\.(?:text|dropdown)\("(\w+)"', NOTEBOOK.read_text()))
    encoder = {spec.name for kind in (EncoderConfig, EmbedConfig) for spec in dataclasses.fields(kind) if spec.metadata}
    head = {spec.name for spec in dataclasses.fields(HeadConfig)} - {"class_name", "options"} | {"head"}
    assert (encoder | head) - widgets == set()  # the head's options are in TOML only
