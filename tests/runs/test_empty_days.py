"""An empty day overwrites the existing partition if its input is complete; an unreadable input never does."""

import gzip
import shutil
from pathlib import Path

import pytest

from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of_day, texts


def test_an_empty_day_overwrites_the_existing_partition_with_a_warning(three_days, capfd):
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert three_days.score("--run-date", DAYS[2], *BY_COLUMN) == 0
    three_days.write_day(DAYS[1], 0)
    capfd.readouterr()
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert "warning run_date=2026-11-23 is empty; it replaced 6 rows" in capfd.readouterr().out
    assert {day: len(rows) for day, rows in three_days.rows().items()} == {DAYS[2]: 7}


def write_no_records(folder, kind):
    """Replace a folder's files by one without records, or by `_SUCCESS` alone, the mark of a finished Spark job."""
    for old in folder.iterdir():
        old.unlink()
    (folder / {"none": "_SUCCESS"}.get(kind, f"part-0.{kind}")).write_text("")
    if kind == "json.gz":
        (folder / "part-0.json.gz").write_bytes(gzip.compress(b""))


@pytest.mark.parametrize("kind", ["csv", "json", "json.gz", "none"])
def test_files_without_a_record_are_an_empty_day(nightly, kind, capfd):
    file_format = {"csv": "csv", "none": "parquet"}.get(kind, "json")
    nightly.input = f"{nightly.input}/{{run_date}}"
    options = ["--format", file_format, "--run-date"]
    for n, day in enumerate(DAYS[:2]):
        rows = nightly.spark.createDataFrame(texts(day, 5 + n), "key string, day string, text string")
        rows.coalesce(1).write.format(file_format).options(header="true").save(nightly.input.format(run_date=day))
        assert nightly.score(*options, day) == 0
    before = nightly.files()
    write_no_records(Path(nightly.input.format(run_date=DAYS[1])), kind)
    assert nightly.score(*options, DAYS[1], "--require-input") == 5
    assert nightly.files() == before
    capfd.readouterr()
    assert nightly.score(*options, DAYS[1]) == 0
    assert f"warning run_date={DAYS[1]} is empty; it replaced 6 rows" in capfd.readouterr().out
    assert {day: len(rows) for day, rows in nightly.rows().items()} == {DAYS[0]: 5}
    nightly.output = nightly.folder / "new"
    assert nightly.score(*options, DAYS[1]) == 0  # nothing to do: there is no table yet
    assert "nothing to do" in capfd.readouterr().out
    assert not nightly.output.exists()


def test_require_input_with_an_empty_day_changes_nothing_and_exits_5(three_days, caplog):
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    before = three_days.files()
    three_days.write_day(DAYS[1], 0)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--require-input") == 5
    assert "the input of 2026-11-23 holds no records" in caplog.text
    assert three_days.files() == before


def test_a_missing_folder_is_nothing_to_do(three_days, capfd):
    three_days.input = f"{three_days.input}/of={{run_date}}"
    assert three_days.score("--run-date", DAYS[0]) == 0
    before = three_days.files()
    assert three_days.score("--run-date", "2026-11-30") == 0
    assert "score: nothing to do" in capfd.readouterr().out
    assert three_days.score("--run-date", "2026-11-30", "--require-input") == 5
    assert three_days.files() == before
    assert three_days.keys() == keys_of_day(DAYS[0], 5)


def write_day_file(nightly, day, name, text):
    """Write a file into the folder of a day."""
    path = Path(nightly.input.format(run_date=day)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


ERROR_PAGE = "<html>\n<body>502 Bad Gateway</body>\n</html>\n" * 50


@pytest.mark.parametrize(
    ("file_format", "name", "text", "message"),
    [
        ("json", "a.json", ERROR_PAGE, "has a column; is it json"),
        ("json", "a.json", "{}\n" * 50, "has a column; is it json"),
        ("json", "a.json", "[{}]", "has a column; is it json"),
        ("parquet", "_temporary/0/task/part-0.parquet", "half", "holds no parquet files"),  # still being written
        ("parquet", "00/part-0.parquet", "", "holds no parquet files"),  # one folder too deep
    ],
)
def test_an_unreadable_or_unfinished_input_does_not_replace_a_day(nightly, file_format, name, text, message, caplog):
    nightly.input = f"{nightly.input}/{{run_date}}"
    rows = nightly.spark.createDataFrame(texts(DAYS[0], 5), "key string, day string, text string")
    rows.coalesce(1).write.format(file_format).save(nightly.input.format(run_date=DAYS[0]))
    assert nightly.score("--format", file_format, "--run-date", DAYS[0]) == 0
    before = nightly.files()
    shutil.rmtree(nightly.input.format(run_date=DAYS[0]))
    write_day_file(nightly, DAYS[0], name, text)
    assert nightly.score("--format", file_format, "--run-date", DAYS[0]) == 1
    assert message in caplog.text
    assert nightly.files() == before


def test_an_empty_json_array_is_an_empty_day(nightly, capfd):
    nightly.input = f"{nightly.input}/{{run_date}}"
    write_day_file(nightly, DAYS[0], "a.json", '[{"key": "1", "text": "hi"}]')
    assert nightly.score("--format", "json", "--run-date", DAYS[0]) == 0
    write_day_file(nightly, DAYS[0], "a.json", " []\n")
    assert nightly.score("--format", "json", "--run-date", DAYS[0]) == 0
    assert "is empty; it replaced 1 rows" in capfd.readouterr().out
