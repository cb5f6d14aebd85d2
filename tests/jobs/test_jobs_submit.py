"""The jobs in processes of their own, started by spark-submit.sh, by a plain spark-submit and by python."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S

pyspark = pytest.importorskip("pyspark", reason="pyspark missing: pip install pyspark")
SPARK_SUBMIT = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
SHELL = str(ROOT / "spark-submit.sh")


def start(command, folder, **variables):
    """Run a command in `folder` with this Python environment active; return the finished process.

    spark-submit.sh chooses Java's options itself; the others have those of the tests.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYSPARK", "SPARK"))
    }
    env = inherited | {"PATH": path, "HF_HUB_OFFLINE": "1"} | variables
    if command[0] != SHELL:
        env["SPARK_SUBMIT_OPTS"] = os.environ["SPARK_SUBMIT_OPTS"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=HANGS_AFTER_S)


@pytest.mark.parametrize(
    "command",
    [
        [SHELL, "--master", "local[2]", "--conf", "spark.ui.enabled=false", "jobs/embed.py"],
        [SPARK_SUBMIT, "--master", "local[2]", str(ROOT / "jobs" / "embed.py")],
        [sys.executable, str(ROOT / "jobs" / "embed.py")],
    ],
    ids=["spark-submit.sh", "spark-submit", "python"],
)
def test_embed_runs_from_any_folder_however_it_is_started(command, tiny_bert, tmp_path):
    (tmp_path / "tweets.csv").write_text('id,content\n1,"hi, ""you"""\n2,\n3,so sad\n', encoding="utf-8")
    options = ["--input", "tweets.csv", "--text-column", "content", "--model", str(tiny_bert), "--output", "out"]
    done = start([*command, *options], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "embed: 3 rows in" in done.stdout
    table = ds.dataset(tmp_path / "out", format="parquet").to_table().sort_by("id")
    assert table["content"].to_pylist() == ['hi, "you"', None, "so sad"]
    assert table["error"].to_pylist() == [None, "missing text", None]
    assert [len(vector or []) for vector in table["embedding"].to_pylist()] == [32, 0, 32]
    assert len(list((tmp_path / "_manifests").glob("embed-*.json"))) == 1


def test_errors_give_exit_code_1_without_a_stack_trace_or_a_value(tiny_bert, tmp_path):
    """In the view, a cast fails whose value holds quotes and line ends. The table lacks the column of texts."""
    app = f"""
import sys
from pyspark.sql import SparkSession
from jobs import embed
spark = SparkSession.builder.getOrCreate()
spark.createDataFrame([("my 'secret'\\nand \\"secret\\" tweet",)], "text string").write.saveAsTable("tweets")
spark.sql("CREATE VIEW cast_tweets AS SELECT CAST(text AS INT) number, text FROM tweets")
options = ["--format", "table", "--model", {str(tiny_bert)!r}, "--output", "out"]
print("cast: exit code", embed.main(["--input", "cast_tweets", *options]))
sys.exit(embed.main(["--input", "tweets", "--text-column", "body", *options]))
"""
    (tmp_path / "app.py").write_text(app, encoding="utf-8")
    done = start([SHELL, "--master", "local[1]", "--conf", "spark.sql.ansi.enabled=true", "app.py"], tmp_path)
    output = done.stdout + done.stderr
    assert "cast: exit code 1" in output, output[-3000:]
    assert "Spark failed: [CAST_INVALID_INPUT] The value '...' of the type" in output
    assert "ERROR Executor" in output
    assert "secret" not in output
    assert done.returncode == 1
    assert "DataError: column 'body' not found; the table has ['text']" in output
    assert "Traceback" not in output
    assert not (tmp_path / "out").exists()
