"""An Iceberg table is kept in step with its source: one MERGE, one snapshot; none if nothing differs."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S

JARS = os.environ.get("ICEBERG_JARS")
pytestmark = pytest.mark.skipif(
    not JARS, reason="Iceberg jar missing: set ICEBERG_JARS=iceberg-spark-runtime-4.0_2.13-….jar"
)


@pytest.fixture(scope="module")
def seen(tiny_bert, tmp_path_factory):
    """Run tests/support/iceberg_sync_app.py; return what it saw."""
    folder = tmp_path_factory.mktemp("iceberg")
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "iceberg_sync_app.py"),
        JARS,
        str(tiny_bert),
        str(folder),
    ]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=HANGS_AFTER_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "seen.json").read_text())


@pytest.mark.parametrize(
    ("run", "code", "encoded", "new_snapshots"),
    [
        ("first", 0, 8, 1),
        ("nothing differs", 0, 0, 0),
        ("changes", 0, 2, 1),
        ("a column of somebody else's", 0, 0, 1),  # that of the UPDATE before it
        ("killed after the merge", None, 2, 1),
        ("after the kill", 0, 0, 0),
        ("most ids gone", 4, 0, 0),
        ("another model", 1, 0, 0),
    ],
)
def test_a_run_leaves_one_snapshot_if_anything_differs(seen, run, code, encoded, new_snapshots):
    names = list(seen["runs"])
    before = names[names.index(run) - 1] if run != "first" else None
    earlier = len(seen["runs"][before]["snapshots"]) if before else 0
    found = seen["runs"][run]
    assert (found["code"], found["encoded"], len(found["snapshots"]) - earlier) == (code, encoded, new_snapshots)
    assert found["problems"] == [] or run == "most ids gone"


def test_columns_of_others_keep_their_values_and_the_table_names_its_model(seen):
    assert seen["notes"] == {"1": "seen", "2": "seen"}
    assert json.loads(seen["properties"]["bert_spark.made_from"]) == {"text_column": "text"}
    assert "bert_spark.fingerprint" in seen["properties"]
