"""`--overwrite` of a plain run: the input is never touched, and a run that dies leaves the old rows or the new ones."""

import dataclasses
import itertools
import json
import os
import shutil

import pytest
from fsspec.implementations.local import LocalFileSystem
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.runs import sized_output
from bert_spark.runs.replaced_output import finish_killed_replacement, replaced_output
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.writers import write_output
from jobs import embed

ROWS = [(n, f"so happy {n}") for n in range(4)]


@pytest.fixture
def run(tiny_bert, tmp_path):
    """Return a function that runs jobs/embed.py with `--overwrite`; the test's folder holds the input d/in.csv."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "in.csv").write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in ROWS))
    # Spark resolves a relative path in the folder in which it was started.
    places = {"folder": tmp_path, "relative": os.path.relpath(tmp_path), "run_date": "{run_date}"}

    def embed_over(source, output, *options):
        paths = ["--input", source.format(**places), "--output", output.format(**places)]
        return embed.main([*paths, "--format", "csv", "--model", str(tiny_bert), "--overwrite", *options])

    return embed_over


def files_below(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


OVERLAPS = [
    ("{folder}/d/in.csv", "{folder}/d"),
    ("{folder}/d/*.csv", "{folder}/d"),
    ("{folder}/d", "{folder}/d/"),
    ("{folder}/d/../d/in.csv", "{folder}/d"),
    ("{folder}/d/in.csv", "{folder}/d/../d"),
    ("{folder}/d/in.csv", "file:{folder}/d"),
    ("file://{folder}/d/in.csv", "{folder}//d"),
    ("{folder}/d/in.csv", "{folder}"),
    ("{relative}/d/in.csv", "{folder}/d"),
    ("{folder}/d/in.csv", "{relative}/d"),
    ("{folder}/d/in.csv", "{folder}/d/."),
    ("{folder}/d/in.csv", ".."),
    ("{folder}/d/in.csv", "."),
    ("{folder}/d/in.csv", "{folder}/link"),
    ("{folder}/link/in.csv", "{folder}/d"),
    ("{folder}/links/*.csv", "{folder}/d"),
    ("{folder}/d", "{folder}/d/out"),
    ("{folder}/d/{run_date}", "{folder}/d/out"),
]


@pytest.mark.parametrize(("source", "output"), OVERLAPS)
def test_an_output_that_overlaps_the_input_is_refused_and_nothing_changes(spark, run, tmp_path, caplog, source, output):
    (tmp_path / "link").symlink_to(tmp_path / "d")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.csv").symlink_to(tmp_path / "d" / "in.csv")
    before = files_below(tmp_path)
    assert run(source, output) == 2
    assert "pass a" in caplog.messages[-1]
    assert files_below(tmp_path) == before


def test_a_table_over_files_of_the_output_is_refused_as_input(spark, run, tmp_path, caplog):
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    before = files_below(tmp_path / "out")
    location = tmp_path / "out"
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW over_output AS SELECT id, text FROM parquet.`{location}`")
    assert run("over_output", "{folder}/out", "--format", "table") == 2
    assert "holds files of the input" in caplog.messages[-1]
    assert files_below(tmp_path / "out") == before


@pytest.mark.parametrize("foreign", ["notes.txt", "photos/cat.jpg"])
def test_files_of_others_are_not_overwritten(spark, run, tmp_path, caplog, foreign):
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    (tmp_path / "out" / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / foreign).write_text("mine")
    before = files_below(tmp_path / "out")
    assert run("{folder}/d/in.csv", "{folder}/out") == 1
    assert f"also holds {foreign.split('/')[0]!r}, which no run wrote" in caplog.messages[-1]
    assert files_below(tmp_path / "out") == before


def test_a_table_of_others_is_not_overwritten(spark, run, tmp_path, caplog):
    spark.range(3).write.parquet(str(tmp_path / "out"))
    assert run("{folder}/d/in.csv", "{folder}/out") == 1
    assert f"no run of bert_spark wrote output {str(tmp_path / 'out')!r}" in caplog.messages[-1]
    spark.range(3).write.saveAsTable("of_others")
    assert run("{folder}/d/in.csv", "of_others", "--output-format", "table") == 1
    assert "no run of bert_spark wrote output 'of_others'" in caplog.messages[-1]
    assert spark.table("of_others").count() == spark.read.parquet(str(tmp_path / "out")).count() == 3


def test_overwrite_replaces_the_rows_and_leaves_nothing_behind(spark, run, tmp_path):
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    (tmp_path / "d" / "in.csv").write_text("id,text\n9,so sad\n")
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    assert [row.id for row in spark.read.parquet(str(tmp_path / "out")).collect()] == ["9"]
    assert list((tmp_path / "_staging" / "out").iterdir()) == list((tmp_path / "_locks" / "out").iterdir()) == []


def write_one_row(rows, output, finish):
    finish(rows.where("id = '1'")).write.parquet(output.path)


def test_a_run_that_fails_leaves_the_old_rows(spark, run, tmp_path, caplog, monkeypatch):
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    before = files_below(tmp_path / "out")
    monkeypatch.setattr(sized_output, "write_output", write_one_row)
    assert run("{folder}/d/in.csv", "{folder}/out") == 1
    assert "It is unchanged; check that the input does not change during a run" in caplog.messages[-1]
    assert files_below(tmp_path / "out") == before
    assert list((tmp_path / "_staging" / "out").glob("*")) == []


def test_a_second_run_at_the_same_time_is_refused(spark, run, tmp_path, caplog):
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    output = OutputConfig(path=str(tmp_path / "out"), if_exists="overwrite")
    with replaced_output(spark, output) as target:
        assert run("{folder}/d/in.csv", "{folder}/out") == 1
        assert "is writing to this output" in caplog.messages[-1]
        spark.range(1).write.parquet(target.path)
    assert spark.read.parquet(str(tmp_path / "out")).columns == ["id"]


def broken_write(*arguments):
    write_output(*arguments)
    raise DataError("the disk is full")


def test_overwriting_a_table_replaces_it_once_its_rows_are_complete(spark, run, tmp_path, monkeypatch):
    table = ["--output-format", "table"]
    assert run("{folder}/d/in.csv", "replaced_table", *table) == 0
    (tmp_path / "d" / "in.csv").write_text("id,text\n9,so sad\n")
    monkeypatch.setattr(sized_output, "write_output", broken_write)
    assert run("{folder}/d/in.csv", "replaced_table", *table) == 1
    assert spark.table("replaced_table").count() == len(ROWS)
    monkeypatch.undo()
    assert run("{folder}/d/in.csv", "replaced_table", *table) == 0
    assert [row.id for row in spark.table("replaced_table").collect()] == ["9"]
    assert not spark.catalog.tableExists("replaced_table_bert_spark_staged")


def test_a_table_whose_replacement_was_killed_is_completed(spark):
    output = OutputConfig(path="default.killed_table", format="table", if_exists="overwrite")
    spark.range(3).write.saveAsTable("default.killed_table_bert_spark_staged")
    finish_killed_replacement(spark, output)
    assert spark.table("default.killed_table").count() == 3


class Killed(BaseException):
    """The process is dead: it changes no file any more."""


class Steps:
    """Count the changes of files, and let the process die before or after one of them."""

    def __init__(self, monkeypatch):
        self.left = self.dead = self.before = None
        for name in ("mv", "rm", "pipe_file"):
            monkeypatch.setattr(LocalFileSystem, name, self._counted(getattr(LocalFileSystem, name)))

    def start(self, number, *, before):
        self.left, self.before, self.dead = number, before, False

    def stop(self):
        self.left, self.dead = None, False

    def _counted(self, change):
        def counted(*args, **kwargs):
            if self.dead:
                raise Killed
            if self.left is None:
                return change(*args, **kwargs)
            self.left -= 1
            self.dead = self.left < 0
            if self.dead and self.before:
                raise Killed
            change(*args, **kwargs)
            if self.dead:
                raise Killed

        return counted


def test_a_kill_at_any_step_leaves_the_old_rows_or_the_new_ones(spark, tmp_path, monkeypatch):
    """Every change of a file is one step. The next run finds whole old rows or whole new rows, and no rest."""
    steps, output = Steps(monkeypatch), OutputConfig(path=str(tmp_path / "out"), if_exists="overwrite")
    spark.range(5).selectExpr("id AS old").write.parquet(str(tmp_path / "made"))
    record = {"run_id": "a", "output": str(tmp_path / "out"), "job": "embed", "started": "", "fingerprint": ""}
    found = []
    for number, before in ((n, before) for n in itertools.count() for before in (True, False)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.copytree(tmp_path / "made", tmp_path / "out")
        (tmp_path / "_manifests").mkdir(exist_ok=True)
        (tmp_path / "_manifests" / "a.json").write_text(json.dumps(record))
        steps.start(number, before=before)
        try:
            with replaced_output(spark, output) as target:
                spark.range(7).selectExpr("id AS new").write.parquet(target.path)
        except Killed:
            pass
        else:
            break
        finally:
            steps.stop()
        for lock in (tmp_path / "_locks").glob("*/*.json"):  # its holder seems to be alive, since it is this process
            os.remove(lock)
        finish_killed_replacement(spark, output)
        rows = spark.read.parquet(str(tmp_path / "out"))
        found.append((*rows.columns, rows.count()))
        assert list((tmp_path / "_staging" / "out").glob("*")) == []
    assert number >= 6
    assert found == sorted(found, reverse=True)  # the old rows up to one step, the new ones from there on
    assert set(found) == {("old", 5), ("new", 7)}


@pytest.fixture
def own_output(spark, tmp_path):
    """Return the settings to overwrite an output that has a record."""
    spark.range(3).write.parquet(str(tmp_path / "out"))
    (tmp_path / "_manifests").mkdir()
    (tmp_path / "_manifests" / "a.json").write_text(json.dumps({"output": "out"}))
    return OutputConfig(path=str(tmp_path / "out"), if_exists="overwrite")


def test_a_format_that_replaces_rows_in_one_step_does_so_itself(spark, own_output):
    output = dataclasses.replace(own_output, format="delta")
    with replaced_output(spark, output) as target:
        assert target is output


def test_an_output_that_this_process_does_not_see_is_replaced_in_place_with_a_warning(
    spark, own_output, monkeypatch, caplog
):
    """As from a client of Spark Connect on another machine."""
    fields = [T.StructField("embedding", T.LongType(), metadata={FINGERPRINT_KEY: "a"})]
    spark.createDataFrame([(1,)], T.StructType(fields)).write.mode("overwrite").parquet(own_output.path)
    monkeypatch.setattr(Folder, "names", lambda folder: [])
    with replaced_output(spark, own_output) as target:
        assert target is own_output
    assert "is replaced in place, since this process cannot reach it" in caplog.text


def test_the_metadata_of_vectors_makes_an_output_without_records_ours(spark, run, tmp_path):
    assert run("{folder}/d/in.csv", "{folder}/out") == 0
    assert any(FINGERPRINT_KEY in field.metadata for field in spark.read.parquet(str(tmp_path / "out")).schema.fields)
    shutil.rmtree(tmp_path / "_manifests")
    assert run("{folder}/d/in.csv", "{folder}/out") == 0


def test_the_message_of_a_foreign_output_names_no_option_that_does_not_help(spark, tmp_path):
    spark.range(3).write.parquet(str(tmp_path / "out"))
    output = OutputConfig(path=str(tmp_path / "out"), if_exists="overwrite")
    with pytest.raises(DataError, match="Pass another --output, or remove it yourself"), replaced_output(spark, output):
        pass
