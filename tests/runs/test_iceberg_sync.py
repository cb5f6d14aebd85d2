"""An Iceberg table is kept in step with its source: one MERGE, one snapshot; none if nothing differs."""

import pytest

from bert_spark.runs import sync_publish
from tests.support.row_counter import rows_through_python
from tests.support.synced_table import SyncedTable, counts

iceberg = pytest.importorskip("tests.support.iceberg", reason="needs the session with Iceberg")
pytestmark = pytest.mark.skipif(not iceberg.jars(), reason="Iceberg jar missing: set ICEBERG_JARS")

FIRST = 2  # snapshots of a first run: the new table without rows, and its rows


class IcebergTable(SyncedTable):
    """A synced table whose output is an Iceberg table."""

    def __init__(self, spark, model, folder):
        super().__init__(spark, model, folder)
        self.output = f"{iceberg.add_catalog(spark, folder / 'tables')}.db.vectors"
        self.rows = {key: (f"hello number {key}", key) for key in range(8)}

    def run(self, *options):
        """Run the job into the table, and return its exit code."""
        return super().run("--output-format", "table", "--work", self.folder / "work", *options)

    def stored(self, output=None):
        """Return the rows of the table."""
        return [row.asDict() for row in self.spark.table(self.output).collect()]

    def snapshots(self):
        """Return the number of the table's snapshots."""
        return self.spark.table(f"{self.output}.snapshots").count()


@pytest.fixture
def table(spark, tiny_bert, tmp_path):
    """Return a table of 8 rows, embedded once."""
    table = IcebergTable(spark, tiny_bert, tmp_path)
    assert table.run() == 0
    assert table.problems() == []
    assert table.snapshots() == FIRST
    return table


def change(table):
    """Change a text and another column, add a row, and remove one."""
    table.rows |= {1: ("another text", 1), 2: (table.rows[2][0], 99), 20: ("new", 20)}
    del table.rows[3]


def test_what_differs_is_merged_in_one_snapshot_and_nothing_makes_none(spark, table):
    assert table.run() == 0
    assert table.snapshots() == FIRST
    spark.sql(f"ALTER TABLE {table.output} ADD COLUMN note string")
    spark.sql(f"UPDATE {table.output} SET note = 'seen' WHERE id IN (1, 2)")
    change(table)
    before = table.snapshots()
    with rows_through_python(spark) as encoded:
        assert table.run() == 0
    assert encoded == [2]
    assert counts(table.records(status="published")[-1]) == (1, 2, 1, 5, 2)
    assert table.problems() == []
    assert table.snapshots() == before + 1
    noted = spark.table(table.output).where("note = 'seen'").collect()
    assert sorted(row.id for row in noted) == [1, 2]  # somebody else's column keeps its values
    properties = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {table.output}").collect()}
    assert properties["bert_spark.made_from"] == '{"text_column": "text"}'
    assert table.run("--max-length", "9") == 1  # another model


@pytest.mark.parametrize("step", ["merge_changes", "mark_table"])
def test_a_run_that_died_beside_the_merge_is_completed_without_bert_and_with_one_snapshot(
    spark, table, monkeypatch, step
):
    change(table)

    def die(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sync_publish, step, die)
        with pytest.raises(KeyboardInterrupt):
            table.run()
    with rows_through_python(spark) as encoded:
        assert table.run() == 0
    assert encoded == []
    assert table.problems() == []
    assert table.snapshots() == FIRST + 1


def test_an_input_without_most_ids_changes_nothing(table):
    rows, table.rows = table.rows, {1: table.rows[1]}
    assert table.run() == 4
    table.rows = rows
    assert table.problems() == []
    assert table.snapshots() == FIRST
