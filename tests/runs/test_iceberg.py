"""Days published into an Iceberg table: each replaces its partition in one snapshot; another model is refused."""

import json
import os
import subprocess
import sys

import pytest

from jobs import train
from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S

JARS = os.environ.get("ICEBERG_JARS")
pytestmark = pytest.mark.skipif(
    not JARS, reason="Iceberg jar missing: set ICEBERG_JARS=iceberg-spark-runtime-4.0_2.13-….jar"
)
FIRST, SECOND = "2026-11-23", "2026-11-24"


@pytest.fixture(scope="module")
def iceberg_runs(spark, artefact, tiny_bert, tmp_path_factory):
    """Run tests/support/iceberg_app.py; return what it saw and what it logged."""
    folder = tmp_path_factory.mktemp("iceberg")
    (folder / "train.csv").write_text("\n".join(["text,label", *(f"text {n},{'ab'[n % 2]}" for n in range(60)), ""]))
    options = ["--input", str(folder / "train.csv"), "--model", str(tiny_bert), "--no-baseline"]
    assert train.main([*options, "--output", str(folder / "other_artefact")]) == 0
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "iceberg_app.py"),
        JARS,
        artefact,
        str(folder / "other_artefact"),
    ]
    variables = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, env=variables, timeout=HANGS_AFTER_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "seen.json").read_text()), done.stderr


def test_days_are_replaced_and_other_days_stay(iceberg_runs):
    assert iceberg_runs[0]["provider"] == "iceberg"
    assert [run["code"] for run in iceberg_runs[0]["runs"]] == [0, 0, 0, 0, 1]
    rows = [run["rows"] for run in iceberg_runs[0]["runs"]]
    assert rows == [{FIRST: 5}, {FIRST: 5, SECOND: 7}, {FIRST: 5, SECOND: 4}, {FIRST: 5}, {FIRST: 5}]


def test_a_day_is_replaced_in_one_snapshot(iceberg_runs):
    before, after = (run["snapshots"] for run in iceberg_runs[0]["runs"][1:3])
    assert after == [*before, "overwrite"]


def test_another_models_table_is_refused_although_iceberg_stores_no_column_metadata(iceberg_runs):
    assert "holds labels of artefact" in iceberg_runs[1]
    assert iceberg_runs[0]["runs"][4]["snapshots"] == iceberg_runs[0]["runs"][3]["snapshots"]
