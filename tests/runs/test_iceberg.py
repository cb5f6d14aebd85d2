"""Days published into an Iceberg table: each in one snapshot, and another model's labels are refused there too."""

import json
import os
import subprocess
import sys

import pytest

from jobs import train
from tests.support.paths import ROOT

JARS = os.environ.get("ICEBERG_JARS")
pytestmark = pytest.mark.skipif(not JARS, reason="no jar of Iceberg: ICEBERG_JARS=iceberg-spark-runtime-4.0_2.13-….jar")
FIRST, SECOND = "2026-11-23", "2026-11-24"


@pytest.fixture(scope="module")
def ran(spark, artefact, tiny_bert, tmp_path_factory):
    """Run the nights; return what the app saw, and the last lines it logged."""
    folder = tmp_path_factory.mktemp("iceberg")
    (folder / "train.csv").write_text("\n".join(["text,label", *(f"text {n},{'ab'[n % 2]}" for n in range(60)), ""]))
    options = ["--input", str(folder / "train.csv"), "--model", str(tiny_bert), "--no-baseline"]
    assert train.main([*options, "--output", str(folder / "other")]) == 0
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "iceberg_app.py"),
        JARS,
        artefact,
        str(folder / "other"),
    ]
    variables = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, env=variables, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "seen.json").read_text()), done.stderr


def test_days_are_replaced_and_others_stay(ran):
    assert ran[0]["provider"] == "iceberg"
    assert [run["code"] for run in ran[0]["runs"]] == [0, 0, 0, 0, 1]
    found = [run["rows"] for run in ran[0]["runs"]]
    assert found == [{FIRST: 5}, {FIRST: 5, SECOND: 7}, {FIRST: 5, SECOND: 4}, {FIRST: 5}, {FIRST: 5}]


def test_a_day_is_replaced_in_one_snapshot(ran):
    before, after = (run["snapshots"] for run in ran[0]["runs"][1:3])
    assert after == [*before, "overwrite"]


def test_another_models_table_is_refused_though_iceberg_keeps_no_metadata_of_columns(ran):
    assert "holds labels of artefact" in ran[1]
    assert ran[0]["runs"][4]["snapshots"] == ran[0]["runs"][3]["snapshots"]
