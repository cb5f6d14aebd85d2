"""Runs by days: one partition a day, the same table however often, and nothing published that is outside the limits."""

import shutil
from pathlib import Path

import pytest

from bert_spark import load_artefact
from bert_spark.runs import publish
from jobs import embed, train
from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of
from tests.support.row_counter import rows_through_python


def test_a_run_twice_gives_the_same_table_and_leaves_other_days_alone(three):
    assert three.score("--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN) == 0
    first = three.rows()
    assert {day: [key for key, _ in rows] for day, rows in first.items()} == {
        day: keys_of(day, 5 + n) for n, day in enumerate(DAYS)
    }
    others = {name: data for name, data in three.files().items() if DAYS[1] not in name}
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert three.rows() == first
    assert {name: data for name, data in three.files().items() if DAYS[1] not in name} == others
    assert len(three.records(status="published")) == 4
    assert not list((three.folder / "_staging" / "scores").iterdir())


def test_each_row_of_a_day_goes_through_bert_once(spark, three):
    with rows_through_python(spark) as rows:
        assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert rows == [6]
    (record,) = three.records(status="published")
    assert (record["rows_in"], record["rows_out"], record["rows_without_date"]) == (6, 6, 0)


def test_a_bad_night_leaves_the_table_byte_for_byte_and_exits_4(three, caplog):
    """Half the texts are missing, where 10 % are allowed."""
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    before = three.files()
    three.arrive(DAYS[1], 6, missing=3)
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    assert "rows without a text: 50.00% where max_missing_share allows 10.00%" in caplog.text
    assert three.files() == before
    (refused,) = three.records(status="refused")
    assert (refused["rows_missing"], refused["rows_out"]) == (3, 6)


def test_a_raised_limit_publishes_what_was_refused_without_bert(spark, three):
    three.arrive(DAYS[1], 6, missing=3)
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    with rows_through_python(spark) as rows:
        assert three.score("--run-date", DAYS[1], *BY_COLUMN, "--max-missing-share", "0.5") == 0
    assert rows == []
    assert three.keys() == keys_of(DAYS[1], 6)
    assert not three.records(status="refused")  # its record says what became of it


def test_labels_far_from_the_training_rows_are_refused_when_asked(three, caplog):
    assert three.score("--run-date", DAYS[1], *BY_COLUMN, "--max-label-shift", "0.0") == 4
    assert "distance of the labels to the training rows'" in caplog.text
    assert three.score("--run-date", DAYS[1], *BY_COLUMN, "--max-label-shift", "1.0") == 0


def test_a_range_that_stopped_goes_on_where_it_stopped(spark, three):
    three.arrive(DAYS[1], 6, missing=3)
    backfill = ["--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN]
    assert three.score(*backfill) == 4
    assert list(three.rows()) == [DAYS[0]]
    assert three.score("--run-date", DAYS[2], *BY_COLUMN) == 0  # the nightly run comes in between
    three.arrive(DAYS[1], 6)
    with rows_through_python(spark) as rows:
        assert three.score(*backfill) == 0
    assert rows == [6, 7]
    assert {day: len(rows) for day, rows in three.rows().items()} == dict(zip(DAYS, (5, 6, 7), strict=True))


def test_a_range_whose_output_was_removed_begins_anew(three):
    three.arrive(DAYS[1], 6, missing=3)
    backfill = ["--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN]
    assert three.score(*backfill) == 4
    shutil.rmtree(three.output)
    three.arrive(DAYS[1], 6)
    assert three.score(*backfill) == 0
    assert sorted(three.rows()) == DAYS


def test_records_without_a_date_are_counted_and_told(nights, capfd):
    nights.arrive("no date", 2)
    nights.arrive(DAYS[0], 3)
    assert nights.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    assert "warning 2 records of the input hold no date" in capfd.readouterr().out
    assert nights.keys() == keys_of(DAYS[0], 3)


def test_labels_stand_beside_those_of_the_runs_before(three, capfd):
    assert three.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    capfd.readouterr()
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    printed = capfd.readouterr().out
    assert "now / last 1 runs  joy" in printed
    assert "distance to the training rows'" in printed
    assert "number 1 of" not in printed  # no text of the data


def test_another_model_is_refused_before_any_work_and_starts_a_table_of_its_own_when_asked(
    spark, three, artefact, caplog, tmp_path
):
    assert three.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    first, before = three.rows(), three.files()
    three.artefact = retrained(artefact, tmp_path)
    with rows_through_python(spark) as rows:
        assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 1
    assert rows == []
    assert "holds labels of artefact" in caplog.text
    assert "pass --new-version to start" in caplog.text
    assert three.score("--run-date", DAYS[1], *BY_COLUMN, "--new-version") == 0
    assert three.score("--run-date", DAYS[2], *BY_COLUMN) == 0  # it is known by now
    assert (three.rows(), three.files()) == (first, before)
    assert sorted(three.rows(f"{three.output}_v2")) == DAYS[1:]


def test_vectors_of_another_encoder_are_refused_before_any_work(spark, three, artefact, caplog):
    model = load_artefact(artefact).config.model

    def embedded(day, *options):
        words = ["--input", three.input, "--output", three.output, "--model", model, "--run-date", day]
        return embed.main([*map(str, words), *BY_COLUMN, *options])

    assert embedded(DAYS[0]) == 0
    before = three.files()
    with rows_through_python(spark) as rows:
        assert embedded(DAYS[1], "--pooling", "mean") == 1
    assert rows == []
    assert "holds vectors of encoder" in caplog.text
    assert three.files() == before
    assert embedded(DAYS[1], "--pooling", "mean", "--new-version") == 0
    assert three.files() == before
    assert spark.read.parquet(f"{three.output}_v2").count() == 6


def test_what_another_models_dead_run_had_staged_is_not_published(three, artefact, monkeypatch, caplog, tmp_path):
    """There is no table yet that could say whose labels it holds."""
    with monkeypatch.context() as dying:
        dying.setattr(publish, "_publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            three.score("--run-date", DAYS[0], *BY_COLUMN)
    three.artefact = retrained(artefact, tmp_path)
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 1
    assert "run that model's job once more, which publishes them" in caplog.text
    assert not three.output.exists()
    three.artefact = artefact
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    assert sorted(three.rows()) == DAYS[:2]


def test_refused_rows_are_not_taken_for_those_of_other_options(spark, three):
    three.arrive(DAYS[1], 6, missing=3)
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    assert three.score("--run-date", DAYS[1], *BY_COLUMN, "--max-missing-share", "0.5", "--scores") == 0
    assert "scores" in spark.read.parquet(str(three.output)).columns


def test_a_night_that_failed_or_had_nothing_to_do_leaves_a_record(three):
    assert three.score("--run-date", DAYS[0], "--date-column", "nope") == 1
    (failed,) = three.records(status="failed")
    assert (failed["job"], failed["exit_code"], failed["error"]) == ("score", 1, "DataError")
    three.input = three.folder / "of {run_date}"
    assert three.score("--run-date", DAYS[0]) == 0
    assert len(three.records(status="nothing to do")) == 1


def test_a_night_outside_the_limits_tells_its_labels_too(three, caplog):
    three.arrive(DAYS[1], 6, missing=3)
    assert three.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    assert "missing text 3, malformed 0, failed 0" in caplog.text


def test_timestamps_without_a_value_are_counted_too(spark, nights):
    nights.arrive(DAYS[0], 3)
    spark.read.parquet(str(nights.input)).selectExpr(
        "key", "text", "IF(key LIKE '%-0', NULL, TIMESTAMP'2026-11-22 10:00:00') day"
    ).write.parquet(str(nights.folder / "stamped"))
    nights.input = nights.folder / "stamped"
    assert nights.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    (record,) = nights.records(status="published")
    assert (record["rows_in"], record["rows_without_date"]) == (2, 1)
    assert record["time_zone"] == spark.conf.get("spark.sql.session.timeZone")


def retrained(artefact, folder):
    """Return another artefact over the same encoder."""
    options = ["--input", str(Path(artefact).parent / "train.csv"), "--seed", "1", "--no-baseline"]
    model = load_artefact(artefact).config.model
    assert train.main([*options, "--model", model, "--output", str(folder / "second")]) == 0
    return str(folder / "second")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--run-date", "24.11.2026"], 2, "date '24.11.2026' is no day; expected YYYY-MM-DD"),
        (
            ["--run-date", DAYS[0], "--from", DAYS[0], "--to", DAYS[1]],
            2,
            "expected one of --run-date, --from with --to",
        ),
        (["--from", DAYS[0]], 2, "got one of --from and --to"),
        (["--from", DAYS[1], "--to", DAYS[0], *BY_COLUMN], 2, "is after --to"),
        (["--from", DAYS[0], "--to", DAYS[1]], 2, "would give all of"),
        (["--run-date", DAYS[0], "--date-column", "date"], 1, "column 'date' not found"),
        (["--run-date", DAYS[0], "--max-missing-share", "10"], 2, "max_missing_share=10.0 is no share"),
        (["--run-date", DAYS[0], "--output-format", "table"], 2, "is no table's name"),
        (["--run-date", DAYS[0], "--output-format", "table", "--output", "some_scores"], 2, "set --work to a folder"),
        (["--run-date", DAYS[0], "--append"], 2, "replaces its own partition and no other"),
        (["--incremental"], 2, "got one of --incremental and --checkpoint"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_any_work(three, spark, caplog, options, code, said):
    with rows_through_python(spark) as rows:
        assert three.score(*options) == code
    assert said in caplog.text
    assert rows == []
