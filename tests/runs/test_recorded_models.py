"""Vectors in formats that keep no metadata of columns belong to the model that the run's record names."""

import json

import pytest

from bert_spark.artefact.loading import load_artefact
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.ownership import conflicting_owner
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY
from bert_spark.tables.recorded_models import recorded_owner
from jobs import embed, score

IDENTITY = {FINGERPRINT_KEY: "a" * 64}


@pytest.fixture
def embed_into(spark, artefact, tmp_path):
    """Return a function that runs jobs/embed.py on three tweets with the artefact's encoder."""
    (tmp_path / "tweets.csv").write_text("id,day,text\n" + "".join(f"{n},2026-11-24,so happy {n}\n" for n in range(3)))
    base = ["--input", str(tmp_path / "tweets.csv"), "--model", load_artefact(artefact).config.model]

    def run(name, file_format, *options):
        output = ["--output", str(tmp_path / name), "--output-format", file_format]
        return embed.main([*base, *output, *options])

    return run


def test_another_encoders_vectors_are_not_appended(spark, embed_into, tmp_path, caplog):
    assert embed_into("vectors", "orc") == 0
    assert embed_into("vectors", "orc", "--append", "--pooling", "mean") == 1
    assert "holds vectors of encoder" in caplog.text
    assert embed_into("vectors", "orc", "--append") == 0
    assert spark.read.orc(str(tmp_path / "vectors")).count() == 6


def test_another_encoders_vectors_are_not_published_by_day(spark, embed_into, tmp_path, caplog):
    days = ["--date-column", "day", "--run-date"]
    work = ["--work", str(tmp_path / "work")]
    assert embed_into("vectors", "json", *work, *days, "2026-11-24") == 0
    assert embed_into("vectors", "json", *work, *days, "2026-11-23", "--pooling", "mean") == 1
    assert "holds vectors of encoder" in caplog.text
    assert "pass --new-version" in caplog.text


def test_another_encoders_vectors_are_not_scored(spark, embed_into, artefact, tmp_path, caplog):
    assert embed_into("own", "orc") == embed_into("other", "orc", "--pooling", "mean") == 0

    def run(name, *options):
        source = ["--input", str(tmp_path / name), "--format", "orc", "--embedding-column", "embedding"]
        return score.main([*source, "--artefact", artefact, "--output", str(tmp_path / f"scores-{name}"), *options])

    assert run("own") == 0
    assert run("other") == 1
    assert "holds vectors of encoder" in caplog.text
    for record in (tmp_path / "_manifests").iterdir():
        record.unlink()
    assert run("other") == 1
    assert "does not say which encoder made its vectors; " in caplog.text
    assert run("other", "--trust-vectors") == 0


def test_a_table_names_the_encoder_of_vectors_in_its_properties(spark, embed_into, artefact, tmp_path, caplog):
    """Iceberg keeps no metadata of columns; here a table without it stands for such a table."""
    rows = spark.createDataFrame([(1, "so happy", [0.0] * 32)], "id int, text string, embedding array<float>")
    rows.write.saveAsTable("vectors_in_table")
    spark.sql(f"ALTER TABLE vectors_in_table SET TBLPROPERTIES ('{FINGERPRINT_KEY}' = '{'b' * 64}')")
    try:
        source = ["--input", "vectors_in_table", "--format", "table", "--embedding-column", "embedding"]
        assert score.main([*source, "--artefact", artefact, "--output", str(tmp_path / "scores")]) == 1
    finally:
        spark.sql("DROP TABLE vectors_in_table")
    assert "holds vectors of encoder bbbbbbbbbbbb" in caplog.text


@pytest.mark.parametrize("unknown", [{}, {"other": "x"}])
def test_rows_of_an_unknown_model_are_not_mixed_unless_the_user_says_so(spark, tmp_path, unknown):
    output = OutputConfig(str(tmp_path / "out"))
    spark.range(2).write.parquet(output.path)
    message = conflicting_owner(spark, output, IDENTITY, lambda: unknown)
    assert message == (
        f"output {output.path!r} does not say which model made its rows: no column, table property or record of a run "
        "names it; if it is this run's, pass --trust-output"
    )
    trusted = OutputConfig(output.path, trust_output=True)
    assert conflicting_owner(spark, trusted, IDENTITY, lambda: unknown) is None
    assert "holds vectors of" in conflicting_owner(spark, trusted, IDENTITY, lambda: {FINGERPRINT_KEY: "b" * 64})


def test_an_output_without_rows_belongs_to_no_model(spark, tmp_path):
    output = OutputConfig(str(tmp_path / "out"))
    spark.range(0).write.parquet(output.path)
    assert conflicting_owner(spark, output, IDENTITY, dict) is None


def record(folder, name, stamp, **content):
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {"output": name, "job": "score", "fingerprint": "f", "rows_out": 1, "artefact_digest": "d"}
    (folder / f"score-{stamp}-aaaaaa.json").write_text(json.dumps(defaults | content))


def test_the_last_run_that_wrote_rows_names_the_model(spark, tmp_path):
    records = tmp_path / "_manifests"
    record(records, "out", "20261124T000000", fingerprint="old")
    record(records, "out", "20261124T000001", status="published", fingerprint="new")
    for n, status in enumerate(["refused", "failed", "discarded", "nothing to do"]):
        record(records, "out", f"20261125T00000{n}", status=status, fingerprint="never written")
    record(records, "other", "20261126T000000", fingerprint="another output")
    expected = {FINGERPRINT_KEY: "new", ARTEFACT_KEY: "d"}
    assert recorded_owner(spark, OutputConfig(f"{tmp_path}/out", format="orc"), None) == expected
    for path in ("out/run_date=2026-11-24", "out/run_date={run_date}", "out/*", "out/part-0.orc"):
        assert recorded_owner(spark, OutputConfig(f"{tmp_path}/{path}", format="orc"), None) == expected
    assert recorded_owner(spark, OutputConfig(f"{tmp_path}/absent", format="orc"), None) == {}


def test_outputs_of_one_name_that_share_a_work_folder_are_told_apart(spark, tmp_path):
    record(tmp_path / "work" / "_manifests", "/a/out", "20261124T000000", fingerprint="of a")
    record(tmp_path / "work" / "_manifests", "/b/out", "20261124T000001", fingerprint="of b")
    output = OutputConfig("/a/out", format="orc")
    assert recorded_owner(spark, output, str(tmp_path / "work"))[FINGERPRINT_KEY] == "of a"
