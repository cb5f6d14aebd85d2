"""Columns and rows in footers are those that Spark finds, and None where this process cannot know them."""

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from bert_spark.storage import Folder
from bert_spark.tables.input_size import input_signature
from bert_spark.tables.parquet_footers import written_columns, written_rows


@pytest.fixture
def written(spark, tmp_path):
    """Return a folder to which Spark wrote 7 rows in two files; one column has metadata."""
    value = F.array(F.col("id").cast("float")).alias("value", metadata={"fingerprint": "f1"})
    rows = spark.range(0, 7, 1, 2).select("id", value, F.lit("x").cast("varchar(3)").alias("kind"))
    rows.write.parquet(str(tmp_path / "written"))
    return tmp_path / "written"


def test_columns_and_rows_are_those_that_spark_finds(spark, written):
    table, folder = spark.read.parquet(str(written)), Folder(str(written))
    assert spark.read.schema(written_columns(folder)).parquet(str(written)).schema == table.schema
    assert written_columns(folder)["value"].metadata == {"fingerprint": "f1"}
    assert written_rows(folder) == table.count() == 7


def test_files_that_spark_does_not_read_are_not_counted(written):
    (file, *_) = written.glob("part-*.parquet")
    (written / "_temporary").mkdir()
    for name in ("_temporary/part-0.parquet", ".hidden.parquet", "_draft.parquet"):
        (written / name).write_bytes(file.read_bytes())
    assert written_rows(Folder(str(written))) == 7


@pytest.mark.parametrize("name", ["part-00000.parquet", "value=1/part-00000.parquet"])
def test_what_this_process_cannot_count_is_left_to_spark(written, name):
    """A file that is not whole, and a folder of further partitions."""
    (written / name).parent.mkdir(exist_ok=True)
    (written / name).write_bytes(b"PAR1")
    assert written_rows(Folder(str(written))) is None


def test_many_files_are_left_to_spark(written):
    (file, *_) = written.glob("part-*.parquet")
    for n in range(100):
        (written / f"part-1{n:04}.parquet").write_bytes(file.read_bytes())
    assert written_rows(Folder(str(written))) is None


def test_of_another_storage_only_the_columns_are_read(written):
    (file, *_) = written.glob("part-*.parquet")
    elsewhere = Folder(f"memory://{written.name}-elsewhere")
    fsspec.filesystem("memory").pipe_file(f"/{written.name}-elsewhere/part-0.parquet", file.read_bytes())
    assert written_columns(elsewhere).names == ["id", "value", "kind"]
    assert written_rows(elsewhere) is None


def test_a_missing_folder_is_left_to_spark(tmp_path):
    assert written_rows(Folder(str(tmp_path / "missing"))) is None
    assert written_columns(Folder(str(tmp_path / "missing"))) is None


def test_files_of_another_writer_and_broken_ones_do_not_name_spark_columns(tmp_path):
    pq.write_table(pa.table({"id": [1]}), tmp_path / "part-0.parquet")
    assert written_columns(Folder(str(tmp_path))) is None
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1")
    assert written_columns(Folder(str(tmp_path))) is None


def test_the_signature_of_an_input_changes_with_each_file(spark, written):
    def signature():
        return input_signature(spark.read.parquet(str(written)))

    first = signature()
    assert first == signature()
    (file, *_) = sorted(written.glob("part-*.parquet"))
    file.write_bytes(file.read_bytes())  # the same bytes, written again
    assert signature() != first
    assert input_signature(spark.range(3).toDF("id")) is None
