"""An output of jobs/embed.py is an input of train and score without an option: its vectors are found and used."""

import copy
import logging

import pytest

from bert_spark.runs.new_file_columns import column_differences
from bert_spark.tables.config import InputConfig
from jobs import embed, score, train
from tests.support.row_counter import rows_through_python
from tests.support.run_records import run_record

ROWS = [(n, "ab"[n % 2], ["so happy", "so sad"][n % 2] + f" number {n}", ["joy", "grief"][n % 2]) for n in range(40)]


@pytest.fixture(scope="module")
def folder(spark, tiny_bert, tmp_path_factory):
    """Return a folder with tweets, their vectors, and an artefact that was trained on the vectors alone."""
    folder = tmp_path_factory.mktemp("stored")
    schema = "id int, author string, content string, mood string"
    spark.createDataFrame(ROWS, schema).coalesce(1).write.parquet(str(folder / "tweets"))
    assert run_embed(folder, tiny_bert, "vectors") == 0
    with rows_through_python(spark) as rows:
        options = ["--label-column", "mood", "--no-baseline", "--output", str(folder / "artefact")]
        assert train.main(["--input", str(folder / "vectors"), *options]) == 0
    assert rows == []
    return folder


def run_embed(folder, model, output, *options):
    base = ["--input", str(folder / "tweets"), "--text-column", "content", "--model", str(model)]
    return embed.main([*base, "--output", str(folder / output), *options])


def run_score(folder, source, output, *options):
    base = ["--artefact", str(folder / "artefact"), "--input", str(source), "--output", str(output)]
    return score.main([*base, *options])


def test_vectors_are_scored_without_an_option_and_a_line_says_so(spark, folder, tmp_path, caplog, capfd):
    caplog.set_level(logging.INFO)
    with rows_through_python(spark) as rows:
        assert run_score(folder, folder / "vectors", tmp_path / "scores") == 0
    assert rows == [len(ROWS)]  # through the classifier
    assert "'embedding': BERT does not run" in caplog.text
    assert "has no column 'text': the texts are those of 'content'" in caplog.text
    assert "truncated" not in capfd.readouterr().out  # nothing was read by a tokenizer
    record = run_record(tmp_path, "score")
    assert (record["text_column"], record["score"]["embedding_column"]) == ("content", "embedding")
    from_texts = ["--text-column", "content"]
    assert run_score(folder, folder / "tweets", tmp_path / "from_texts", *from_texts) == 0
    labels = {
        name: {row.id: row.label for row in spark.read.parquet(str(tmp_path / name)).collect()}
        for name in ("scores", "from_texts")
    }
    assert labels["scores"] == labels["from_texts"]


@pytest.mark.parametrize("kind", ["orc", "json"])
def test_a_format_without_metadata_is_known_by_the_record_beside_it(spark, folder, tiny_bert, tmp_path, caplog, kind):
    caplog.set_level(logging.INFO)
    output = f"vectors_{kind}"
    assert run_embed(folder, tiny_bert, output, "--output-format", kind) == 0
    assert run_score(folder, folder / output, tmp_path / "scores", "--format", kind) == 0
    assert "'embedding': BERT does not run" in caplog.text
    assert spark.read.parquet(str(tmp_path / "scores")).where("label is not null").count() == len(ROWS)
    more = ["--output-format", kind, "--append", "--max-length", "9"]
    assert run_embed(folder, tiny_bert, output, *more) == 1
    assert f"/{output}' holds vectors of encoder" in caplog.text


def test_vectors_of_another_encoder_are_refused_by_name(spark, folder, tiny_bert, tmp_path, caplog):
    assert run_embed(folder, tiny_bert, "short", "--max-length", "9") == 0
    short = run_record_of(folder, "short")["fingerprint"][:12]
    own = run_record_of(folder, "vectors")["fingerprint"][:12]
    assert run_score(folder, folder / "short", tmp_path / "scores") == 1
    assert f"holds vectors of encoder {short} in column 'embedding', the artefact was trained on {own}" in caplog.text
    options = ["--label-column", "mood", "--no-baseline", "--output", str(tmp_path / "artefact")]
    assert (
        train.main(["--input", str(folder / "vectors"), "--model", str(tiny_bert), "--max-length", "9", *options]) == 1
    )
    assert f"holds vectors of encoder {own}, the settings describe encoder {short}; leave out" in caplog.text
    run_bert = ["--embedding-column", "", "--error-column", "why"]
    assert run_score(folder, folder / "short", tmp_path / "scores", *run_bert) == 0
    assert run_record(tmp_path, "score")["rows_truncated"] == 0


def run_record_of(folder, output):
    from bert_spark.storage import Folder
    from bert_spark.tables.run_records import records_of_output

    return next(records_of_output(Folder(str(folder / "_manifests")), output, "embed"))


def test_new_files_with_vectors_of_another_encoder_are_a_difference(spark, folder):
    pinned = spark.read.parquet(str(folder / "vectors")).schema
    new = copy.deepcopy(pinned)
    new["embedding"].metadata["bert_spark.fingerprint"] = "0" * 64
    source = InputConfig(path="vectors", format="parquet", text_column="content")
    (difference,) = column_differences(new, pinned, source, [])
    assert difference.startswith("column 'embedding' holds vectors of encoder 000000000000, was ")
