"""Days published into an Iceberg table: written once, to a branch, and published in one step."""

import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.iceberg_branches import TableBranch
from bert_spark.tables.writers import write_output
from tests.support import iceberg
from tests.support.histories import SECOND_RUNS, WAYS, visible
from tests.support.nightly_runs import DAYS, keys_of_day
from tests.support.row_counter import rows_through_python
from tests.support.table_runs import TableRuns

pytestmark = pytest.mark.skipif(not iceberg.jars(), reason="Iceberg jar missing: see tests/support/iceberg.py")
FIRST, SECOND = DAYS[:2]
OF_FIRST, OF_SECOND = (["--date-column", "day", "--run-date", day] for day in DAYS[:2])
BOTH = ["--date-column", "day", "--from", FIRST, "--to", SECOND]


@pytest.fixture
def runs(spark, artefact, tmp_path):
    """Return runs into a table of Iceberg, whose input holds two days: 5 and 6 rows."""
    runs = TableRuns(spark, artefact, tmp_path)
    runs.write_day(FIRST, 5)
    runs.write_day(SECOND, 6)
    return runs


def commit_of_another_job(runs):
    """Add a row of another day to the table."""
    table = runs.spark.table(runs.output)
    values = {"key": "'theirs'", "run_date": "DATE'2020-02-02'"}
    row = runs.spark.range(1).selectExpr(*(f"{values.get(name, 'NULL')} AS {name}" for name in table.columns))
    row.writeTo(runs.output).append()


@contextmanager
def polling(runs):
    """Read the table all the time in another thread; yield the list of what is seen, without repetitions."""
    seen, ended = [{}], threading.Event()

    def poll():
        while not ended.wait(0.1):  # without a pause it takes half of the machine
            look()

    def look():
        keys = runs.keys_by_day() if runs.spark.catalog.tableExists(runs.output) else {}
        if keys != seen[-1]:
            seen.append(keys)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        yield seen
    finally:
        ended.set()
        reader.join()
    look()


def test_days_are_written_once_and_a_reader_that_polls_all_the_time_sees_whole_days(runs):
    """The same day again is not encoded, and makes no snapshot, unless its input or its partition has changed."""
    first, second = keys_of_day(FIRST, 5), keys_of_day(SECOND, 6)
    with polling(runs) as seen:
        with rows_through_python(runs.spark) as rows:
            assert runs.score(*BOTH, "--partition-mb", "0.0001") == 0
        assert sum(rows) == 5 + 6
        assert (runs.branches(), runs.left()) == ([], [])
        assert runs.snapshots() == ["append", "overwrite", "overwrite"]  # the first is that of the empty table
        files = runs.spark.table(f"{runs.output}.files").select("partition.run_date").collect()
        assert min(Counter(files).values()) > 1  # each task wrote its own rows: none was moved after BERT
        with rows_through_python(runs.spark) as rows:
            assert runs.score(*OF_SECOND, "--partition-mb", "0.0001", "--require-input") == 0
        assert (rows, len(runs.snapshots())) == ([], 3)
        runs.spark.sql(f"DELETE FROM {runs.output} WHERE key = '{second[0]}'")
        assert runs.score(*OF_SECOND, "--partition-mb", "0.0001") == 0
        runs.write_day(SECOND, 0)
        assert runs.score(*OF_SECOND) == 0
    days = [[], second, second[1:], second, []]
    whole = [{}, *({FIRST: first} | ({SECOND: keys} if keys else {}) for keys in days)]
    assert seen == [state for n, state in enumerate(whole) if state in seen or n == len(whole) - 1]


def test_appended_rows_are_not_moved_between_tasks_after_bert(spark, tmp_path):
    """Iceberg would move them by the table's partitions: a task that runs again may have computed other last bits."""
    table = f"{iceberg.add_catalog(spark, tmp_path)}.db.plain"
    rows = spark.range(8).repartition(4).selectExpr("id", "'a' AS part")
    spark.createDataFrame([], rows.schema).write.partitionBy("part").saveAsTable(table)
    write_output(rows, OutputConfig(table, "table", if_exists="append"))
    assert spark.table(f"{table}.files").count() == 4


def test_a_table_that_cannot_replace_a_day_is_refused_before_bert(runs, caplog):
    runs.spark.sql(f"CREATE TABLE {runs.output} (key STRING, run_date DATE) USING iceberg")
    with rows_through_python(runs.spark) as rows:
        assert runs.score(*OF_FIRST) == 1
        assert "is not partitioned by run_date" in caplog.text
        runs.spark.sql(f"ALTER TABLE {runs.output} ADD PARTITION FIELD run_date")
        assert runs.score(*OF_FIRST) == 1
        assert "which this run's rows have; add them (ALTER TABLE" in caplog.text
    assert rows == []
    assert runs.left() == []


def test_another_models_table_is_refused_although_iceberg_stores_no_column_metadata(runs, caplog):
    assert runs.score(*OF_FIRST) == 0
    runs.spark.sql(f"ALTER TABLE {runs.output} SET TBLPROPERTIES ('bert_spark.artefact' = 'another')")
    assert runs.score(*OF_FIRST) == 1
    assert "holds labels of artefact another" in caplog.text
    assert len(runs.snapshots()) == 2


def test_refused_rows_wait_on_a_branch_for_what_is_decided(runs, capsys, caplog):
    """A commit that another job makes meanwhile is not lost."""
    assert runs.score(*OF_FIRST) == 0
    runs.write_day(SECOND, 6, missing=3)
    seen = {FIRST: keys_of_day(FIRST, 5)}
    for way in ("--publish", "--discard"):
        assert runs.score(*OF_SECOND) == 4
        (branch,), (record,) = runs.branches(), runs.records(status="refused")
        assert f"staged in branch {branch} of" in caplog.text
        assert runs.keys_by_day() == seen
        commit_of_another_job(runs)
        capsys.readouterr()
        assert runs.history("--staged") == 0
        shown = capsys.readouterr().out
        assert record["run_id"] in shown
        assert branch in shown
        with rows_through_python(runs.spark) as rows:
            assert runs.history(way, record["run_id"]) == 0
        assert rows == []
        seen |= {"2020-02-02": ["theirs"]} | ({SECOND: keys_of_day(SECOND, 6)} if way == "--publish" else {})
        assert runs.keys_by_day() == seen
        assert (runs.branches(), runs.left()) == ([], [])
        runs.spark.sql(f"DELETE FROM {runs.output} WHERE run_date <> DATE'{FIRST}'")
        seen = {FIRST: seen[FIRST]}


def test_a_branch_that_somebody_drops_is_encoded_again_and_one_of_an_older_input_is_dropped(runs):
    runs.write_day(SECOND, 6, missing=3)
    assert runs.score(*OF_SECOND) == 4
    (branch,) = runs.branches()
    runs.spark.sql(f"ALTER TABLE {runs.output} DROP BRANCH {branch}")
    assert runs.score(*OF_SECOND) == 4
    runs.write_day(SECOND, 6)
    assert runs.score(*OF_SECOND) == 0
    assert runs.keys_by_day() == {SECOND: keys_of_day(SECOND, 6)}
    assert (runs.branches(), runs.left()) == ([], [])


def test_a_publication_is_not_repeated_by_the_run_that_completes_it(runs, monkeypatch):
    """The run dies when its rows are in the table. Somebody changes them before the next run."""
    publish = TableBranch.publish
    with monkeypatch.context() as patch:
        patch.setattr(TableBranch, "publish", lambda *args: [publish(*args), 1 / 0])
        with pytest.raises(ZeroDivisionError):
            runs.score(*OF_FIRST)
    removed, *others = keys_of_day(FIRST, 5)
    runs.spark.sql(f"DELETE FROM {runs.output} WHERE key = '{removed}'")
    with rows_through_python(runs.spark) as rows:
        assert runs.score(*OF_FIRST) == 0
    assert rows == []
    assert runs.keys_by_day() == {FIRST: others}
    assert (runs.branches(), runs.left()) == ([], [])
    assert sorted(record["status"] for record in runs.records()) == ["failed", "published"]


def test_without_iceberg_s_sql_the_rows_are_staged_as_files(runs, monkeypatch, caplog):
    monkeypatch.setattr(TableBranch, "create", lambda branch, spark: spark.sql(f"ALTER TABLE {branch.table} SPROUT"))
    assert runs.score(*OF_FIRST) == 0
    assert "the rows are written twice" in caplog.text
    assert "set spark.sql.extensions=org.apache.iceberg" in caplog.text
    assert (runs.keys_by_day(), runs.left()) == ({FIRST: keys_of_day(FIRST, 5)}, [])


@pytest.fixture(scope="module")
def histories(spark, artefact, tmp_path_factory, histories_of):
    """Return the histories of runs into tables of Iceberg; see test_histories.py."""
    return histories_of(lambda: TableRuns(spark, artefact, tmp_path_factory.mktemp("runs")))


def check_reader(histories, way, death):
    """Check that a reader of the table sees whole partitions at this moment: the old one or the new one."""
    runs, recorder = histories.recorded(way)
    states = []
    for each in (recorder.deaths[0], recorder.deaths[-1], death):
        recorder.restore(each.tree)
        states.append(visible(runs.output, runs.spark))
    old, new, seen = states
    for partition in seen.keys() | old.keys() | new.keys():
        assert seen.get(partition, []) in (old.get(partition, []), new.get(partition, [])), death


def test_a_second_run_after_a_death_publishes_every_key_once(histories):
    """A sample of what follows. All deaths of a day's publication are there: of its step in which the rows appear."""
    deaths = histories.recorded("a day again")[1].deaths
    publication = [death for death in deaths if "fast_forward" in death.step]
    assert [death.when for death in publication] == ["before", "committed, not the newest", "after"]
    for death in publication:
        check_reader(histories, "a day again", death)
    histories.check("a day again", "the same", publication[1:])


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_reader_sees_whole_partitions_at_every_moment(histories, way):
    for death in histories.recorded(way)[1].deaths:
        check_reader(histories, way, death)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("second", SECOND_RUNS)
def test_a_second_run_after_each_death_publishes_every_key_once(histories, way, second):
    histories.check(way, second, histories.recorded(way)[1].deaths)
