"""Runs by day: one partition a day, the same table however often a day runs, nothing published outside the limits."""

import shutil
from pathlib import Path

import pytest

from bert_spark import load_artefact
from bert_spark.runs import publish
from jobs import embed, train
from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of_day
from tests.support.row_counter import rows_through_python


def test_running_a_day_twice_gives_the_same_table_and_leaves_other_days_unchanged(three_days):
    assert three_days.score("--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN) == 0
    first = three_days.rows()
    assert {day: [key for key, _ in rows] for day, rows in first.items()} == {
        day: keys_of_day(day, 5 + n) for n, day in enumerate(DAYS)
    }
    other_days = {name: data for name, data in three_days.files().items() if DAYS[1] not in name}
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert three_days.rows() == first
    assert {name: data for name, data in three_days.files().items() if DAYS[1] not in name} == other_days
    assert len(three_days.records(status="published")) == 4
    assert not list((three_days.folder / "_staging" / "scores").iterdir())


def test_each_row_of_a_day_goes_through_bert_once(spark, three_days):
    with rows_through_python(spark) as rows:
        assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert rows == [6]
    (record,) = three_days.records(status="published")
    assert (record["rows_in"], record["rows_out"], record["rows_without_date"]) == (6, 6, 0)


def test_a_day_outside_the_limits_leaves_the_table_unchanged_and_exits_4(three_days, caplog):
    """Half the texts are missing, where 10 % are allowed."""
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    before = three_days.files()
    three_days.write_day(DAYS[1], 6, missing=3)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    assert "rows without a text: 50.00%, max_missing_share allows 10.00%" in caplog.text
    assert three_days.files() == before
    (refused,) = three_days.records(status="refused")
    assert (refused["rows_missing"], refused["rows_out"]) == (3, 6)


def test_a_raised_limit_publishes_refused_rows_without_bert(spark, three_days):
    three_days.write_day(DAYS[1], 6, missing=3)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    with rows_through_python(spark) as rows:
        assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--max-missing-share", "0.5") == 0
    assert rows == []
    assert three_days.keys() == keys_of_day(DAYS[1], 6)
    assert not three_days.records(status="refused")  # the same record now says published


def test_labels_far_from_the_training_rows_are_refused_by_max_label_shift(three_days, caplog):
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--max-label-shift", "0.0") == 4
    assert "distance between the labels and those of the training rows" in caplog.text
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--max-label-shift", "1.0") == 0


def test_a_stopped_range_continues_with_its_first_unpublished_day(spark, three_days):
    three_days.write_day(DAYS[1], 6, missing=3)
    backfill = ["--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN]
    assert three_days.score(*backfill) == 4
    assert list(three_days.rows()) == [DAYS[0]]
    assert three_days.score("--run-date", DAYS[2], *BY_COLUMN) == 0  # the nightly run happens meanwhile
    three_days.write_day(DAYS[1], 6)
    with rows_through_python(spark) as rows:
        assert three_days.score(*backfill) == 0
    assert rows == [6, 7]
    assert {day: len(rows) for day, rows in three_days.rows().items()} == dict(zip(DAYS, (5, 6, 7), strict=True))


def test_a_range_whose_output_was_removed_starts_again(three_days):
    three_days.write_day(DAYS[1], 6, missing=3)
    backfill = ["--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN]
    assert three_days.score(*backfill) == 4
    shutil.rmtree(three_days.output)
    three_days.write_day(DAYS[1], 6)
    assert three_days.score(*backfill) == 0
    assert sorted(three_days.rows()) == DAYS


def test_records_without_a_date_are_counted_and_reported(nightly, capfd):
    nightly.write_day("no date", 2)
    nightly.write_day(DAYS[0], 3)
    assert nightly.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    assert "warning 2 records of the input hold no date" in capfd.readouterr().out
    assert nightly.keys() == keys_of_day(DAYS[0], 3)


def test_the_summary_compares_labels_with_earlier_runs(three_days, capfd):
    assert three_days.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    capfd.readouterr()
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    printed = capfd.readouterr().out
    assert "now / last 1 runs  joy" in printed
    assert "distance to the labels of the training rows" in printed
    assert "number 1 of" not in printed  # no text of the data


def test_another_model_is_refused_before_any_work_and_new_version_starts_a_separate_table(
    spark, three_days, artefact, caplog, tmp_path
):
    assert three_days.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    first, before = three_days.rows(), three_days.files()
    three_days.artefact = retrained(artefact, tmp_path)
    with rows_through_python(spark) as rows:
        assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 1
    assert rows == []
    assert "holds labels of artefact" in caplog.text
    assert "pass --new-version to start" in caplog.text
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--new-version") == 0
    assert three_days.score("--run-date", DAYS[2], *BY_COLUMN) == 0  # scores_v2 exists by now
    assert (three_days.rows(), three_days.files()) == (first, before)
    assert sorted(three_days.rows(f"{three_days.output}_v2")) == DAYS[1:]


def test_vectors_of_another_encoder_are_refused_before_any_work(spark, three_days, artefact, caplog):
    model = load_artefact(artefact).config.model

    def embed_day(day, *options):
        base = ["--input", three_days.input, "--output", three_days.output, "--model", model, "--run-date", day]
        return embed.main([*map(str, base), *BY_COLUMN, *options])

    assert embed_day(DAYS[0]) == 0
    before = three_days.files()
    with rows_through_python(spark) as rows:
        assert embed_day(DAYS[1], "--pooling", "mean") == 1
    assert rows == []
    assert "holds vectors of encoder" in caplog.text
    assert three_days.files() == before
    assert embed_day(DAYS[1], "--pooling", "mean", "--new-version") == 0
    assert three_days.files() == before
    assert spark.read.parquet(f"{three_days.output}_v2").count() == 6


def test_rows_staged_by_another_models_killed_run_are_not_published(
    three_days, artefact, monkeypatch, caplog, tmp_path
):
    """There is no table yet whose metadata would name the other model."""
    with monkeypatch.context() as patch:
        patch.setattr(publish, "_publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            three_days.score("--run-date", DAYS[0], *BY_COLUMN)
    three_days.artefact = retrained(artefact, tmp_path)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 1
    assert "Run the job with that model once more, which publishes them" in caplog.text
    assert not three_days.output.exists()
    three_days.artefact = artefact
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert sorted(three_days.rows()) == DAYS[:2]


def test_refused_rows_are_not_reused_with_other_options(spark, three_days):
    three_days.write_day(DAYS[1], 6, missing=3)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--max-missing-share", "0.5", "--scores") == 0
    assert "scores" in spark.read.parquet(str(three_days.output)).columns


def test_a_run_that_failed_or_had_nothing_to_do_leaves_a_record(three_days):
    assert three_days.score("--run-date", DAYS[0], "--date-column", "nope") == 1
    (failed,) = three_days.records(status="failed")
    assert (failed["job"], failed["exit_code"], failed["error"]) == ("score", 1, "DataError")
    three_days.input = three_days.folder / "of {run_date}"
    assert three_days.score("--run-date", DAYS[0]) == 0
    assert len(three_days.records(status="nothing to do")) == 1


def test_a_run_outside_the_limits_logs_its_summary(three_days, caplog):
    three_days.write_day(DAYS[1], 6, missing=3)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    assert "missing text 3, malformed 0, failed 0" in caplog.text


def test_missing_timestamps_are_counted_as_rows_without_date(spark, nightly):
    nightly.write_day(DAYS[0], 3)
    spark.read.parquet(str(nightly.input)).selectExpr(
        "key", "text", "IF(key LIKE '%-0', NULL, TIMESTAMP'2026-11-22 10:00:00') day"
    ).write.parquet(str(nightly.folder / "stamped"))
    nightly.input = nightly.folder / "stamped"
    assert nightly.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    (record,) = nightly.records(status="published")
    assert (record["rows_in"], record["rows_without_date"]) == (2, 1)
    assert record["time_zone"] == spark.conf.get("spark.sql.session.timeZone")


def retrained(artefact, folder):
    """Return another artefact over the same encoder."""
    options = ["--input", str(Path(artefact).parent / "train.csv"), "--seed", "1", "--no-baseline"]
    model = load_artefact(artefact).config.model
    assert train.main([*options, "--model", model, "--output", str(folder / "second")]) == 0
    return str(folder / "second")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--run-date", "24.11.2026"], 2, "date '24.11.2026' is not a day; expected YYYY-MM-DD"),
        (
            ["--run-date", DAYS[0], "--from", DAYS[0], "--to", DAYS[1]],
            2,
            "expected one of --run-date, --from with --to",
        ),
        (["--from", DAYS[0]], 2, "got one of --from and --to"),
        (["--from", DAYS[1], "--to", DAYS[0], *BY_COLUMN], 2, "is after --to"),
        (["--from", DAYS[0], "--to", DAYS[1]], 2, "would publish all of"),
        (["--run-date", DAYS[0], "--date-column", "date"], 1, "column 'date' not found"),
        (["--run-date", DAYS[0], "--max-missing-share", "10"], 2, "max_missing_share=10.0 is not a share"),
        (["--run-date", DAYS[0], "--output-format", "table"], 2, "is not a table name"),
        (["--run-date", DAYS[0], "--output-format", "table", "--output", "some_scores"], 2, "set --work to a folder"),
        (["--run-date", DAYS[0], "--append"], 2, "always replaces its own partition and no other"),
        (["--incremental"], 2, "got one of --incremental and --checkpoint"),
    ],
)
def test_contradictory_settings_are_refused_before_any_work(three_days, spark, caplog, options, code, message):
    with rows_through_python(spark) as rows:
        assert three_days.score(*options) == code
    assert message in caplog.text
    assert rows == []
