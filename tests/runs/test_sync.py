"""An output is kept in step with its source: only new and changed texts are encoded, and gone rows are removed."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import embed, history, score
from tests.support.row_counter import rows_through_python
from tests.support.synced_table import SyncedTable, counts


@pytest.fixture
def table(spark, tiny_bert, tmp_path):
    """Return a table of 12 rows that is not embedded yet."""
    table = SyncedTable(spark, tiny_bert, tmp_path)
    table.rows = {key: (f"hello number {key % 10}", key) for key in range(12)}
    return table


def test_only_what_differs_is_encoded_changed_and_removed(spark, table):
    assert table.run() == 0
    assert table.problems() == []
    assert counts(table.records()[-1]) == (12, 0, 0, 0, 10)
    table.rows |= {
        2: ("a new text", 2),
        3: (table.rows[3][0], 99),
        4: (None, 4),
        20: ("a new text", 1),
        21: ("more", 1),
    }
    del table.rows[5]
    with rows_through_python(spark) as rows:
        assert table.run() == 0
    assert rows == [4]
    assert table.problems() == []
    assert counts(table.records()[-1]) == (2, 3, 1, 8, 2)
    assert table.records()[-1]["rows_out"] == table.records()[-1]["rows_in"] == 13
    assert table.records()[-1]["rows_missing"] == 1
    before = {path.name: path.read_bytes() for path in table.output.iterdir()}
    with rows_through_python(spark) as rows:
        assert table.run() == 0
    assert rows == []
    assert {path.name: path.read_bytes() for path in table.output.iterdir()} == before
    assert table.records()[-1]["status"] == "nothing to do"
    assert counts(table.records()[-1]) == (0, 0, 0, 13, 0)
    assert table.left_behind() == []


def test_bert_sees_exactly_the_distinct_texts_that_are_new_or_changed(spark, table):
    table.rows = {key: (f"text {key // 2}", 0) for key in range(3000)}
    assert table.run() == 0
    assert counts(table.records()[-1]) == (3000, 0, 0, 0, 1500)
    table.rows |= {key: (f"changed {key // 100 % 20}", 0) for key in range(0, 3000, 100)}
    table.rows |= {key: (f"new {key % 10}", 0) for key in range(3000, 3015)}
    for key in range(1, 3000, 100):
        del table.rows[key]
    # in several tasks, of which each sees a text that others do not see
    with rows_through_python(spark) as rows:
        assert table.run("--partition-mb", "0.0001") == 0
    assert rows == [45]
    assert counts(table.records()[-1]) == (15, 30, 30, 2940, 20 + 10)
    assert table.problems() == []


def test_an_output_of_a_plain_run_is_adopted_without_bert(spark, table):
    assert table.plain_run() == 0
    table.rows[0] = ("another text", 0)
    assert table.run() == 0
    assert counts(table.records(status="published")[-1]) == (0, 1, 0, 11, 1)
    assert table.problems() == []


def test_vectors_of_an_earlier_output_are_reused(spark, table):
    assert table.plain_run() == 0
    earlier, table.output = table.output, table.folder / "second"
    table.rows[0] = ("another text", 0)
    table.rows[1] = (None, 0)
    assert table.run("--reuse", earlier) == 0
    record = table.records(status="published")[-1]
    assert counts(record) == (12, 0, 0, 0, 1)
    assert record["texts_reused"] == 10
    assert table.problems() == []


def test_a_new_column_arrives_without_bert_and_another_text_column_is_encoded(spark, table):
    assert table.run() == 0
    source = table.write()
    wide = spark.read.parquet(source).selectExpr("*", "array(id) AS ids", "upper(text) AS loud")
    wide.write.parquet(f"{table.folder}/wide")
    assert table.run(source=f"{table.folder}/wide") == 0
    assert counts(table.records()[-1]) == (0, 12, 0, 0, 0)
    assert table.problems() == []
    assert {tuple(row["ids"]) for row in table.stored()} == {(key,) for key in table.rows}
    assert table.run("--text-column", "loud", source=f"{table.folder}/wide") == 0
    assert counts(table.records()[-1]) == (0, 12, 0, 0, 10)
    assert table.run("--text-column", "loud", source=f"{table.folder}/wide") == 0
    assert table.records()[-1]["status"] == "nothing to do"


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 1, 2, None], "1 rows have no id in column 'id', and 1 ids are on more than one row; nothing was changed"),
        ([5, 5, 5, 7], "0 rows have no id in column 'id', and 1 ids are on more than one row; nothing was changed"),
    ],
)
def test_missing_and_doubled_ids_are_refused_before_bert(spark, table, caplog, ids, message):
    values = [(key, f"text {n}") for n, key in enumerate(ids)]
    spark.createDataFrame(values, "id int, text string").write.parquet(f"{table.folder}/in")
    with rows_through_python(spark) as rows:
        assert table.run(source=f"{table.folder}/in") == 1
    assert rows == []
    assert message in caplog.text
    assert not table.output.exists()
    assert table.left_behind() == []


def test_an_input_without_most_ids_is_refused_before_bert(spark, table, caplog):
    assert table.run() == 0
    rows = table.rows
    table.rows = {key: row for key, row in rows.items() if key < 5} | {30: ("new", 30)}
    with rows_through_python(spark) as encoded:
        assert table.run() == 4
    assert encoded == []
    assert "rows that the input no longer has: 58.33%, max_removed_share allows 50.00%" in caplog.text
    assert counts(table.records(status="refused")[-1]) == (1, 0, 7, 5, 0)
    table.rows = {}
    assert table.run() == 4
    table.rows = rows
    assert table.problems() == []
    assert table.left_behind() == []
    table.rows = {key: row for key, row in rows.items() if key < 5} | {30: ("new", 30)}
    assert table.run("--max-removed-share", "0.6") == 0
    assert table.problems() == []
    table.rows = {}
    assert table.run("--max-removed-share", "1") == 0
    assert table.stored() == []
    table.rows = rows
    assert table.run() == 0
    assert table.problems() == []


def test_refused_changes_are_published_without_bert_or_given_up(spark, table, caplog):
    assert table.run() == 0
    kept, table.rows = table.rows, table.rows | {0: (None, 0), 1: (None, 1), 2: ("new", 2)}
    assert table.run() == 4
    assert "rows without a text: 16.67%, max_missing_share allows 10.00%" in caplog.text
    run = table.records(status="refused")[-1]["run_id"]
    assert f"--publish {run}" in caplog.text
    changed, table.rows = table.rows, kept
    assert table.problems() == []
    assert history.main(["--output", str(table.output), "--discard", run]) == 0
    table.rows = changed
    assert table.run() == 4
    with rows_through_python(spark) as encoded:
        assert table.run("--max-missing-share", "0.2", source=f"{table.folder}/tweets.parquet") == 0
    assert encoded == []
    assert table.problems() == []
    table.rows = changed | {5: (None, 5), 6: ("new", 6)}
    assert table.run() == 4
    run = table.records(status="refused")[-1]["run_id"]
    assert history.main(["--output", str(table.output), "--publish", run]) == 0
    assert table.problems() == []
    assert table.left_behind() == []


def test_refused_changes_of_an_older_input_are_given_up(table):
    assert table.run() == 0
    older = table.rows | {0: (None, 0), 1: (None, 1), 2: ("older", 2)}
    table.rows, kept = older, table.rows
    assert table.run() == 4
    table.rows = kept | {3: ("newer", 3)}
    assert table.run() == 0
    assert table.problems() == []
    assert table.left_behind() == []


def test_rows_of_another_model_are_refused_or_get_a_version_of_their_own(spark, table, caplog):
    assert table.run() == 0
    with rows_through_python(spark) as rows:
        assert table.run("--max-length", "9") == 1
    assert rows == []
    assert "pass --new-version to start" in caplog.text
    assert table.run("--max-length", "9", "--new-version") == 0
    assert table.problems() == []
    assert counts(table.records()[-1])[:4] == (12, 0, 0, 0)
    assert spark.read.parquet(f"{table.output}_v2").count() == 12


def test_a_row_that_ran_out_of_memory_is_encoded_again(spark, table):
    assert table.run() == 0
    (file,) = table.output.glob("part-*")
    stored = pq.read_table(file)
    errors = pa.array([None] * 11 + ["out of memory for this text alone"])
    vectors = pa.array([*stored["embedding"].to_pylist()[:11], None], stored["embedding"].type)
    for name, column in (("error", errors), ("embedding", vectors)):
        place = stored.schema.get_field_index(name)
        stored = stored.set_column(place, stored.schema.field(name), column)
    pq.write_table(stored, file)
    assert table.problems() != []
    assert table.run() == 0
    assert counts(table.records()[-1]) == (0, 1, 0, 11, 1)
    assert table.problems() == []


def test_changes_of_an_output_that_was_written_meanwhile_are_given_up(table, caplog):
    assert table.run() == 0
    table.rows |= {0: (None, 0), 1: (None, 1), 2: ("stale", 2)}
    assert table.run() == 4
    table.rows |= {0: ("fresh", 0), 2: ("fresh too", 2)}
    assert table.plain_run("--overwrite") == 0
    run = table.records(status="refused")[-1]["run_id"]
    assert history.main(["--output", str(table.output), "--publish", run]) == 1
    assert "was written since run" in caplog.text
    assert table.problems() == []
    assert table.run() == 0
    assert table.problems() == []
    assert table.left_behind() == []


def test_an_output_of_another_kind_of_run_and_one_with_doubled_ids_are_refused(table, caplog):
    assert table.plain_run() == 0
    assert table.plain_run("--append") == 0
    assert table.run() == 1
    assert "12 ids are on more than one row; nothing was changed; write it once with --overwrite" in caplog.text
    table.output = table.folder / "daily"
    options = ["--input", table.write(), "--model", table.model, "--output", str(table.output)]
    assert embed.main([*options, "--run-date", "2026-11-24"]) == 0
    assert table.run() == 1
    assert "has the partition column 'run_date'" in caplog.text


def test_a_table_without_merge_is_refused_before_bert(spark, table, caplog):
    table.output = "no_merge"
    with rows_through_python(spark) as rows:
        assert table.run("--output-format", "table", "--work", table.folder / "work") == 2
    assert rows == []
    assert (
        "has the format parquet, which has no MERGE INTO; expected one of ['delta', 'iceberg', 'hudi']" in caplog.text
    )
    assert not spark.catalog.tableExists("no_merge")


def test_labels_are_kept_in_step_and_stored_vectors_refused(spark, artefact, table, caplog):
    output = table.folder / "scores"

    def run(*options, source=None):
        base = ["--artefact", artefact, "--input", source or table.write(), "--output", str(output)]
        return score.main([*base, "--id-column", "id", "--sync", *options])

    def labels(folder):
        return sorted((row.id, row.label) for row in spark.read.parquet(str(folder)).collect())

    assert run() == 0
    table.rows |= {0: ("feeling sad", 0), 30: ("i miss you", 30)}
    del table.rows[1]
    assert run() == 0
    assert counts(table.records(job="score")[-1]) == (1, 1, 1, 10, 2)
    record = table.records(job="score")[-1]
    assert sum(record["labels"].values()) == record["rows_out"] == 12
    plain = ["--artefact", artefact, "--input", table.write(), "--output", f"{table.folder}/plain"]
    assert score.main(plain) == 0
    assert labels(output) == labels(table.folder / "plain")
    assert table.run() == 0
    assert run(source=str(table.output)) == 2
    assert "the vectors of" in caplog.text


def test_changed_rows_stay_in_their_file_and_other_files_stay_as_they_are(table):
    assert table.plain_run("--partition-mb", "0.0001") == 0
    files = {path.name: path.read_bytes() for path in table.output.glob("part-*")}
    assert len(files) > 1
    home = {row["id"]: path.name for path in table.output.glob("part-*") for row in pq.read_table(path).to_pylist()}
    table.rows[3] = ("changed", 3)
    assert table.run() == 0
    assert table.problems() == []
    now = {path.name: path.read_bytes() for path in table.output.glob("part-*")}
    assert [name for name in files if now[name] != files[name]] == [home[3]]


def test_changes_that_are_partly_in_place_cannot_be_given_up(tmp_path, caplog):
    stage = tmp_path / "_staging" / "vectors" / "sync-killed"
    stage.mkdir(parents=True)
    state = {"status": "audited", "record": {"run_id": "killed"}, "output": {}, "sync": {"files": [], "moves": {}}}
    (stage / "state.json").write_text(json.dumps(state))
    assert history.main(["--output", f"{tmp_path}/vectors", "--discard", "killed"]) == 2
    assert "was killed while it put its files in place" in caplog.text
    assert stage.exists()
