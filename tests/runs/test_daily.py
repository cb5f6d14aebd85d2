"""Runs by day: one partition a day, the same table however often a day runs, nothing published outside the limits."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from bert_spark import load_artefact
from bert_spark.errors import LockedError
from bert_spark.runs import publish
from bert_spark.runs.output_lock import locked_output
from bert_spark.runs.staging_area import staging_area_for
from bert_spark.tables import output_partitions
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.repartitioning import partition_count
from jobs import embed, history, train
from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of_day, texts
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


def test_refused_rows_are_shown_published_as_they_are_or_discarded(spark, three_days, capsys, caplog):
    three_days.write_day(DAYS[1], 6, missing=3)
    output = ["--output", str(three_days.output)]
    for way in ("--discard", "--publish"):
        assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
        (refused,) = three_days.records(status="refused")
        assert f"--publish {refused['run_id']}, or give them up with --discard {refused['run_id']}" in caplog.text
        capsys.readouterr()
        assert history.main([*output, "--staged"]) == 0
        shown = capsys.readouterr().out
        assert refused["run_id"] in shown
        assert "rows without a text: 50.00%" in shown
        assert history.main([*output, way, "another"]) == 2
        assert f"staged are: {refused['run_id']}" in caplog.text
        with rows_through_python(spark) as rows:
            assert history.main([*output, way, refused["run_id"]]) == 0
        assert rows == []
        assert three_days.output.exists() == (way == "--publish")
        assert not list((three_days.folder / "_staging" / "scores").iterdir())
    assert three_days.keys() == keys_of_day(DAYS[1], 6)
    assert [len(three_days.records(status=status)) for status in ("discarded", "published")] == [1, 1]


def test_rows_staged_with_another_work_are_found_and_named(three_days, caplog, capsys):
    """Another --work would leave them for good, and its lock would not hold the first run's."""
    three_days.write_day(DAYS[1], 6, missing=3)
    first, second = (["--work", str(three_days.folder / work)] for work in ("w1", "w2"))
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, *first) == 4
    for other in (second, []):
        assert three_days.score("--run-date", DAYS[0], *BY_COLUMN, *other) == 2
        assert f"Run with --work {three_days.folder}/w1" in caplog.text
    assert history.main(["--output", str(three_days.output), "--staged"]) == 0
    assert f"{three_days.folder}/w1/_staging/scores-" in capsys.readouterr().out
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, *first, "--max-missing-share", "1") == 0
    assert three_days.score("--run-date", DAYS[0], *BY_COLUMN, *second) == 0  # nothing is staged in w1 any more
    assert three_days.keys() == sorted(keys_of_day(DAYS[0], 5) + keys_of_day(DAYS[1], 6))


@pytest.mark.parametrize("table", [False, True])
def test_one_run_at_a_time_whatever_its_work_is(spark, tmp_path, table):
    spark.sql("DROP TABLE IF EXISTS one_at_a_time")
    name = "one_at_a_time" if table else str(tmp_path / "out")
    output = OutputConfig(path=name, format="table" if table else "parquet")
    spark.range(1).write.format("parquet").saveAsTable("one_at_a_time")
    areas = [staging_area_for(spark, output, str(tmp_path / work)) for work in ("w1", "a token", "w3")]
    for first, second in pairwise(areas):
        with (
            locked_output(spark, output, first, "first") as lock,
            pytest.raises(LockedError, match="run first"),
            locked_output(spark, output, second, "second"),
        ):
            lock.check()
        with locked_output(spark, output, second, "second") as lock:
            lock.check()


def test_refused_rows_that_are_not_those_of_the_records_are_encoded_anew(spark, three_days, caplog):
    """A higher limit would not help them. Versions before this one counted wrongly on Spark 3.5."""
    three_days.write_day(DAYS[1], 6, missing=3)
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    (stage,) = (three_days.folder / "_staging" / "scores").glob("day-*/state.json")
    state = json.loads(stage.read_text())
    state["record"]["rows_in"] += 4
    stage.write_text(json.dumps(state))
    with rows_through_python(spark) as rows:
        assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--max-missing-share", "0.5") == 0
    assert rows == [6]
    assert three_days.keys() == keys_of_day(DAYS[1], 6)


def test_a_day_is_spread_over_tasks_by_its_own_bytes(spark, nightly):
    """The whole table, 40 days of 80 kB, would be 13 tasks or more; each task writes a file."""
    text = F.expr("concat('so happy ', sha2(cast(id as string), 512), space(2000), id)")
    key, day = F.col("id").cast("string").alias("key"), F.expr("date_add(date'2026-11-01', cast(id % 40 as int))")
    rows = spark.range(1600).select(key, day.cast("string").alias("day"), text.alias("text"))
    rows.coalesce(1).write.option("compression", "none").option("parquet.enable.dictionary", "false").parquet(
        str(nightly.input)
    )
    assert partition_count(input_bytes(spark.read.parquet(str(nightly.input)))) >= 13
    assert nightly.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    assert len(list(nightly.output.rglob("*.parquet"))) == 1
    assert len(nightly.keys()) == 40


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


def test_a_range_whose_output_was_removed_starts_again(three_days, monkeypatch):
    """Also if the first run after that dies when the output is there again."""
    three_days.write_day(DAYS[2], 7, missing=3)
    backfill = ["--from", DAYS[0], "--to", DAYS[2], *BY_COLUMN]
    assert three_days.score(*backfill) == 4
    shutil.rmtree(three_days.output)
    three_days.write_day(DAYS[2], 7)
    with monkeypatch.context() as patch:
        patch.setattr(publish, "replace_partition", lambda *args: [output_partitions.replace_partition(*args), 1 / 0])
        with pytest.raises(ZeroDivisionError):
            three_days.score(*backfill)
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


@pytest.fixture
def stamped(spark, nightly):
    """Return scheduled runs whose input is one record for each hour of a day in UTC, as timestamps."""
    hours = spark.range(24).selectExpr("CAST(id AS STRING) key", "concat('hour ', id) text", "id")
    at = "timestamp_seconds(unix_seconds(TIMESTAMP'2026-11-22 00:00:00 UTC') + id * 3600 + 1800) day"
    hours.selectExpr("key", "text", at).coalesce(1).write.parquet(str(nightly.input / DAYS[0]))
    nightly.input = nightly.input / "{run_date}"
    return nightly


@pytest.fixture
def in_los_angeles(spark):
    """Set the session's time zone."""
    zone = "spark.sql.session.timeZone"
    before = spark.conf.get(zone)
    spark.conf.set(zone, "America/Los_Angeles")
    yield
    spark.conf.unset(zone)
    assert spark.conf.get(zone) == before


def test_days_are_those_of_utc_unless_a_zone_is_set(spark, stamped):
    """All 24 hours of the day are published, wherever the driver is."""
    assert stamped.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    (record,) = stamped.records(status="published")
    assert (record["time_zone"], record["rows_out"], record["rows_of_other_days"]) == ("UTC", 24, 0)
    assert spark.sql("SET").where("key = 'spark.sql.session.timeZone'").count() == 0


def test_a_zone_that_was_set_for_the_session_counts_and_rows_of_other_days_are_reported(stamped, in_los_angeles, capfd):
    assert stamped.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    printed = capfd.readouterr().out
    assert "days counted in America/Los_Angeles" in printed
    assert "8 records of this day's files have the date of another day in time zone America/Los_Angeles" in printed
    assert stamped.score("--run-date", DAYS[0], *BY_COLUMN, "--time-zone", "UTC") == 0
    assert len(stamped.keys()) == 24


def test_an_unknown_time_zone_is_refused(stamped, caplog):
    assert stamped.score("--run-date", DAYS[0], *BY_COLUMN, "--time-zone", "Mars/Base") == 2
    assert "time_zone='Mars/Base' is not known to Spark" in caplog.text


@pytest.mark.parametrize("undated", [0, 2])
def test_a_day_whose_dates_cannot_be_read_does_not_replace_a_full_one(three_days, caplog, undated):
    """None or few of its records have a date that can be read."""
    three_days.input = f"{three_days.input}/of={{run_date}}"
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 0
    before = three_days.files()
    folder = three_days.input.format(run_date=DAYS[1])
    values = [
        (key, "23.11.2026" if n >= undated else day, text) for n, (key, day, text) in enumerate(texts(DAYS[1], 6))
    ]
    three_days.spark.createDataFrame(values, "key string, day string, text string").write.mode("overwrite").parquet(
        folder
    )
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN) == 4
    share = "66.67%" if undated else "100.00%"
    assert f"records without a date that --date-format reads: {share}, max_undated_share allows 50.00%" in caplog.text
    assert three_days.files() == before
    assert three_days.score("--run-date", DAYS[1], *BY_COLUMN, "--max-undated-share", "1") == 0
    assert len(three_days.rows().get(DAYS[1], [])) == undated


def test_missing_timestamps_are_counted_as_rows_without_date(spark, nightly):
    nightly.write_day(DAYS[0], 3)
    spark.read.parquet(str(nightly.input)).selectExpr(
        "key", "text", "IF(key LIKE '%-0', NULL, TIMESTAMP'2026-11-22 10:00:00') day"
    ).write.parquet(str(nightly.folder / "stamped"))
    nightly.input = nightly.folder / "stamped"
    assert nightly.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    (record,) = nightly.records(status="published")
    assert (record["rows_read"], record["rows_in"], record["rows_without_date"]) == (3, 2, 1)


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
