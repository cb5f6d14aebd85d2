"""A day without a record replaces an earlier one where it is whole; what can't be read never does."""

import gzip
import shutil
from pathlib import Path

import pytest

from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of, texts


def test_an_empty_day_replaces_an_earlier_full_one_and_says_so(three, capfd):
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert three.score("--run-date", DAYS[2], *BY_COLUMN) == 0
    three.arrive(DAYS[1], 0)
    capfd.readouterr()
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert "warning run_date=2026-11-23 is empty; it replaced 6 rows" in capfd.readouterr().out
    assert {day: len(rows) for day, rows in three.rows().items()} == {DAYS[2]: 7}


def empty_file(folder, kind):
    """Write what holds no records: an empty file, or none but Spark's mark that all is written."""
    for old in folder.iterdir():
        old.unlink()
    (folder / {"none": "_SUCCESS"}.get(kind, f"part-0.{kind}")).write_text("")
    if kind == "json.gz":
        (folder / "part-0.json.gz").write_bytes(gzip.compress(b""))


@pytest.mark.parametrize("kind", ["csv", "json", "json.gz", "none"])
def test_a_day_of_files_without_a_record_is_an_empty_day(nights, kind, capfd):
    form = {"csv": "csv", "none": "parquet"}.get(kind, "json")
    nights.input = f"{nights.input}/{{run_date}}"
    options = ["--format", form, "--run-date"]
    for n, day in enumerate(DAYS[:2]):
        rows = nights.spark.createDataFrame(texts(day, 5 + n), "key string, day string, text string")
        rows.coalesce(1).write.format(form).options(header="true").save(nights.input.format(run_date=day))
        assert nights.score(*options, day) == 0
    before = nights.files()
    empty_file(Path(nights.input.format(run_date=DAYS[1])), kind)
    assert nights.score(*options, DAYS[1], "--require-input") == 5
    assert nights.files() == before
    capfd.readouterr()
    assert nights.score(*options, DAYS[1]) == 0
    assert f"warning run_date={DAYS[1]} is empty; it replaced 6 rows" in capfd.readouterr().out
    assert {day: len(rows) for day, rows in nights.rows().items()} == {DAYS[0]: 5}
    nights.output = nights.folder / "new"
    assert nights.score(*options, DAYS[1]) == 0  # nothing to do: there is no table yet
    assert "nothing to do" in capfd.readouterr().out
    assert not nights.output.exists()


def test_required_input_that_is_empty_leaves_the_day_and_exits_5(three, caplog):
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    before = three.files()
    three.arrive(DAYS[1], 0)
    assert three.score("--run-date", DAYS[1], *BY_COLUMN, "--require-input") == 5
    assert "the input of 2026-11-23 holds no records" in caplog.text
    assert three.files() == before


def test_a_day_whose_folder_is_not_there_is_nothing_to_do(three, capfd):
    three.input = f"{three.input}/of={{run_date}}"
    assert three.score("--run-date", DAYS[0]) == 0
    before = three.files()
    assert three.score("--run-date", "2026-11-30") == 0
    assert "score: nothing to do" in capfd.readouterr().out
    assert three.score("--run-date", "2026-11-30", "--require-input") == 5
    assert three.files() == before
    assert three.keys() == keys_of(DAYS[0], 5)


def written(nights, day, name, text):
    """Write a file into the folder of a day."""
    path = Path(nights.input.format(run_date=day)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


ERROR_PAGE = "<html>\n<body>502 Bad Gateway</body>\n</html>\n" * 50


@pytest.mark.parametrize(
    ("form", "name", "text", "said"),
    [
        ("json", "a.json", ERROR_PAGE, "none of the records in"),
        ("json", "a.json", "{}\n" * 50, "none of the records in"),
        ("json", "a.json", "[{}]", "none of the records in"),
        ("parquet", "_temporary/0/task/part-0.parquet", "half", "holds no parquet files"),  # still being written
        ("parquet", "00/part-0.parquet", "", "holds no parquet files"),  # one folder further down
    ],
)
def test_what_is_no_day_does_not_replace_one(nights, form, name, text, said, caplog):
    nights.input = f"{nights.input}/{{run_date}}"
    rows = nights.spark.createDataFrame(texts(DAYS[0], 5), "key string, day string, text string")
    rows.coalesce(1).write.format(form).save(nights.input.format(run_date=DAYS[0]))
    assert nights.score("--format", form, "--run-date", DAYS[0]) == 0
    before = nights.files()
    shutil.rmtree(nights.input.format(run_date=DAYS[0]))
    written(nights, DAYS[0], name, text)
    assert nights.score("--format", form, "--run-date", DAYS[0]) == 1
    assert said in caplog.text
    assert nights.files() == before


def test_an_empty_array_of_json_is_an_empty_day(nights, capfd):
    nights.input = f"{nights.input}/{{run_date}}"
    written(nights, DAYS[0], "a.json", '[{"key": "1", "text": "hi"}]')
    assert nights.score("--format", "json", "--run-date", DAYS[0]) == 0
    written(nights, DAYS[0], "a.json", " []\n")
    assert nights.score("--format", "json", "--run-date", DAYS[0]) == 0
    assert "is empty; it replaced 1 rows" in capfd.readouterr().out
