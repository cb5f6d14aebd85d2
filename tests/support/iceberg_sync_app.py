"""Keep an Iceberg table in step with a source in a separate process, since Spark loads jars only when it starts.

Write to `seen.json` what each run did, what the table held after it, and how many snapshots it had.
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from bert_spark.runs import sync_publish
from tests.support.row_counter import rows_through_python
from tests.support.synced_table import SyncedTable

TABLE = "ice.db.vectors"

jars, model, folder = sys.argv[1:]
settings = {
    "spark.jars": jars,
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.ice.type": "hadoop",
    "spark.sql.catalog.ice.warehouse": f"{folder}/warehouse",
}
builder = SparkSession.builder.master("local[2]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()


class IcebergTable(SyncedTable):
    """A synced table whose output is an Iceberg table."""

    def stored(self, output=None):
        """Return the rows of the table."""
        return [row.asDict() for row in spark.table(TABLE).collect()]


table = IcebergTable(spark, model, Path(folder))
table.output = TABLE
seen = {}


def run(name, *options, fails=False):
    """Run the job and note what it did under this name."""
    code = None
    with rows_through_python(spark) as encoded:
        try:
            code = table.run("--output-format", "table", "--work", f"{folder}/work", *options)
        except KeyboardInterrupt:
            assert fails
    seen[name] = {
        "code": code,
        "problems": table.problems(),
        "encoded": sum(encoded),
        "snapshots": [row.operation for row in spark.sql(f"SELECT operation FROM {TABLE}.snapshots").collect()],
    }


def die(*arguments):
    """End a run, as if it was killed here."""
    raise KeyboardInterrupt


table.rows = {key: (f"hello number {key}", key) for key in range(8)}
run("first")
run("nothing differs")
table.rows |= {1: ("another text", 1), 2: (table.rows[2][0], 99), 20: ("new", 20)}
del table.rows[3]
run("changes")
spark.sql(f"ALTER TABLE {TABLE} ADD COLUMN note string")
spark.sql(f"UPDATE {TABLE} SET note = 'seen' WHERE id IN (1, 2)")
run("a column of somebody else's")
table.rows |= {1: ("a third text", 1), 2: (None, 2)}
marked, sync_publish.mark_made_from = sync_publish.mark_made_from, die
run("killed after the merge", "--max-missing-share", "0.5", fails=True)
sync_publish.mark_made_from = marked
run("after the kill")
notes = {row.id: row.note for row in spark.table(TABLE).where("note IS NOT NULL").collect()}
rows = table.rows
table.rows = {1: rows[1]}
run("most ids gone")
table.rows = rows
run("another model", "--max-length", "9")
properties = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {TABLE}").collect()}
Path(folder, "seen.json").write_text(json.dumps({"runs": seen, "notes": notes, "properties": properties}))
