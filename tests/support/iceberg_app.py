"""Run nights into an Iceberg table in a separate process, since Spark loads jars only when it starts.

Write to `seen.json` each run's exit code and what the table held after it.
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from tests.support.nightly_runs import NightlyRuns

DAYS = ("2026-11-23", "2026-11-24")
TABLE = "ice.db.scores"

jars, artefact, other_artefact, folder = sys.argv[1:]
settings = {
    "spark.jars": jars,
    "spark.ui.enabled": "false",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.ice.type": "hadoop",
    "spark.sql.catalog.ice.warehouse": f"{folder}/warehouse",
}
builder = SparkSession.builder.master("local[2]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
nightly = NightlyRuns(spark, artefact, Path(folder))
nightly.output = TABLE
table_options = ["--output-format", "table", "--work", f"{folder}/work", "--date-column", "day"]
runs = []


def run(day):
    code = nightly.score("--run-date", day, *table_options)
    rows = spark.table(TABLE).groupBy("run_date").count().collect()
    snapshots = [row.operation for row in spark.table(f"{TABLE}.snapshots").collect()]
    runs.append({"code": code, "rows": {str(row[0]): row[1] for row in rows}, "snapshots": snapshots})


nightly.write_day(DAYS[0], 5)
nightly.write_day(DAYS[1], 7)
run(DAYS[0])
run(DAYS[1])
nightly.write_day(DAYS[1], 4)
run(DAYS[1])
nightly.write_day(DAYS[1], 0)
run(DAYS[1])
nightly.artefact = other_artefact
run(DAYS[0])
provider = spark.sql(f"DESCRIBE EXTENDED {TABLE}").where("col_name = 'Provider'").collect()[0].data_type
Path(folder, "seen.json").write_text(json.dumps({"provider": provider, "runs": runs}))
