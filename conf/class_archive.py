"""Print the path of Java's archive of Spark's classes, which shortens the start of Spark: `find` it, or `make` it.

Java maps the classes of an archive into memory instead of reading and verifying each (class data sharing). An archive
belongs to one Java and one set of jars, and is kept in the Python environment that holds Spark. It is made by a small
Spark session that runs what jobs run first. Java ignores an archive that does not fit. If there is none, nothing is
printed, and jobs start without it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from launch import spark_home

SECONDS = 600  # a slow machine takes a minute


def archive_path(jars: Path, java: Path) -> Path:
    """Return the path of the archive for these jars and this Java."""
    files = [java, *sorted(jars.glob("*.jar"))]
    # In whole seconds, as Java compares them: a container image keeps no more of a file's time.
    facts = [(str(path), path.stat().st_size, int(path.stat().st_mtime)) for path in files]
    return Path(sys.prefix) / f"spark-classes-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}.jsa"


def make(archive: Path) -> None:
    """Run the session below with a Java that writes the archive when it ends. Leave an empty file if that fails."""
    print("spark-submit.sh: archiving Spark's classes for faster starts; this takes a minute, once", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        draft = Path(folder) / "draft.jsa"
        draft.touch()
        variables = {
            "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={draft} -Xlog:disable",
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK")} | variables
        command = [sys.executable, __file__, "session", folder]
        try:
            subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as err:
            print(
                f"spark-submit.sh: Spark's classes could not be archived ({type(err).__name__}); starts take a few "
                f"seconds longer. Remove {archive} to try again",
                file=sys.stderr,
            )
            draft.write_bytes(b"")
        os.replace(draft, archive)


def run_session(folder: str) -> None:
    """Do what the first seconds of a job do: start Spark, infer a csv file, call Python, write and read Parquet."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", f"{folder}/warehouse")
        .getOrCreate()
    )
    Path(folder, "in.csv").write_text("id,text\n1,a\n2,b\n")
    rows = spark.read.csv(f"{folder}/in.csv", header=True, inferSchema=True, multiLine=True).repartition(2)
    lengths = rows.mapInArrow(lambda batches: batches, rows.schema).withColumn("length", F.length("text"))
    lengths.write.parquet(f"{folder}/out")
    spark.read.parquet(f"{folder}/out").groupBy("text").agg(F.count("*"), F.sum("length")).collect()
    spark.read.format("binaryFile").load(f"{folder}/out").select("path", "length").collect()
    spark.stop()


def main(makes: bool) -> None:
    """Print the archive's path, if there is one for this Python's Spark and this Java."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    if java is None:
        return
    archive = archive_path(Path(spark_home()) / "jars", Path(java).resolve())
    if not re.fullmatch(r"[A-Za-z0-9/._-]+", str(archive)):  # Java splits its options at blanks
        return
    if makes and not archive.exists() and os.access(archive.parent, os.W_OK):
        make(archive)
    if archive.exists() and archive.stat().st_size:
        print(archive)


if __name__ == "__main__":
    if sys.argv[1:2] == ["session"]:
        run_session(sys.argv[2])
    else:
        main(makes=sys.argv[1:] == ["make"])
