"""Nights into an Iceberg table, in a process of its own, since Spark takes jars at its start only.

Leaves in `seen.json` each run's exit code and what the table held after it.
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from tests.support.nightly_runs import Nights

DAYS = ("2026-11-23", "2026-11-24")
TABLE = "ice.db.scores"

jars, artefact, other, folder = sys.argv[1:]
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
nights = Nights(spark, artefact, Path(folder))
nights.output = TABLE
table = ["--output-format", "table", "--work", f"{folder}/work", "--date-column", "day"]
seen = []


def run(day, *options):
    code = nights.score("--run-date", day, *table, *options)
    rows = spark.table(TABLE).groupBy("run_date").count().collect()
    snapshots = [row.operation for row in spark.table(f"{TABLE}.snapshots").collect()]
    seen.append({"code": code, "rows": {str(row[0]): row[1] for row in rows}, "snapshots": snapshots})


nights.arrive(DAYS[0], 5)
nights.arrive(DAYS[1], 7)
run(DAYS[0])
run(DAYS[1])
nights.arrive(DAYS[1], 4)
run(DAYS[1])
nights.arrive(DAYS[1], 0)
run(DAYS[1])
nights.artefact = other
run(DAYS[0])
about = spark.sql(f"DESCRIBE EXTENDED {TABLE}").where("col_name = 'Provider'").collect()
Path(folder, "seen.json").write_text(json.dumps({"provider": about[0].data_type, "runs": seen}))
