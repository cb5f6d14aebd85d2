"""The last runs into an output as a table, newest first, without Spark."""

import json

import pytest

from bert_spark.runs.staging_area import StagingArea
from bert_spark.storage import Folder
from bert_spark.tables.run_records import records_of_output
from jobs import history

RUN = {"job": "score", "rows_out": 10, "rows_missing": 1, "rows_malformed": 1, "rows_failed": 2, "rows_per_second": 7.5}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the records of ten days, and one record of another output."""
    (tmp_path / "_manifests").mkdir()
    for day in range(10, 20):
        facts = {
            "started": f"2026-11-{day}T03:00:00+00:00",
            "output": str(tmp_path / "scores"),
            "fingerprint": "ab" * 32,
        }
        facts |= {"partition": f"run_date=2026-11-{day}", "status": "published" if day % 2 else "refused"}
        facts |= {"label_shift": 0.25 if day == 19 else None}
        (tmp_path / "_manifests" / f"{day}.json").write_text(json.dumps(RUN | facts))
    other = RUN | {"started": "2026-12-01T00:00:00", "output": str(tmp_path / "others"), "fingerprint": "f" * 64}
    (tmp_path / "_manifests" / "other.json").write_text(json.dumps(other))
    return tmp_path


def test_the_last_runs_are_shown_newest_first(folder, capsys):
    assert history.main(["--output", str(folder / "scores"), "--last", "3"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == "started job partition status rows missing wrong rows/s shift encoder".split()
    assert [line.split()[3] for line in lines] == [f"run_date=2026-11-{day}" for day in (19, 18, 17)]
    assert lines[0].split()[4:] == ["published", "10", "1", "3", "7.5", "0.250", "abababab"]
    assert lines[1].split()[4:] == ["refused", "10", "1", "3", "7.5", "abababab"]


@pytest.mark.parametrize("output", ["scores", "scores/", "never"])
def test_an_output_is_found_by_the_last_part_of_its_path(folder, capsys, monkeypatch, output):
    monkeypatch.chdir(folder)
    assert history.main(["--output", output]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (1 if output == "never" else 11)


def test_an_output_without_records_in_the_work_folder_has_no_runs(folder, capsys):
    assert history.main(["--output", "catalog.schema.scores", "--work", str(folder)]) == 0
    assert capsys.readouterr().out == "no runs are recorded for this output\n"


def test_history_imports_no_pyspark(folder, run_fresh):
    code = f"""
import sys
from jobs import history
history.main(["--output", {str(folder / "scores")!r}])
assert "pyspark" not in sys.modules
"""
    assert run_fresh(code).count("\n") == 10


def test_a_truncated_record_is_skipped_and_a_run_without_rows_is_shown(folder, capsys):
    (folder / "_manifests" / "cut.json").write_text('{"job": "sco')
    failed = {"job": "score", "started": "2026-11-30T03:00", "output": str(folder / "scores"), "fingerprint": "ab" * 32}
    (folder / "_manifests" / "failed.json").write_text(json.dumps(failed | {"status": "failed", "exit_code": 3}))
    assert history.main(["--output", str(folder / "scores"), "--last", "2"]) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[3:] == ["failed", "abababab"]
    assert "run_date=2026-11-19" in second


def test_only_the_records_that_are_shown_are_read(folder, monkeypatch):
    """A run compares itself with the last runs: after 1,000 nights it reads no more records than after 10."""
    records = Folder(str(folder / "_manifests"))
    for night in range(100, 150):
        name = f"score-20270{night // 100}{night % 100 // 10}{night % 10}T030000-abcdef"
        facts = {"started": f"2027-0{night}", "output": "scores", "fingerprint": "ab" * 32, "status": "published"}
        (folder / "_manifests" / f"{name}.json").write_text(json.dumps(RUN | facts))
    for file in (folder / "_manifests").glob("[0-9o]*.json"):
        file.unlink()
    files, read = [], Folder.read
    monkeypatch.setattr(Folder, "read", lambda self, name: files.append(name) or read(self, name))
    area = StagingArea(Folder(str(folder)), "scores", "scores")
    assert len(area.records_with_status("score", "published", 7)) == 7
    assert len(files) == 7
    assert list(records_of_output(records, "scores", "embed")) == []
    assert len(files) == 7
