"""The jobs embed, train and score end to end on the sample tweets: what they write, print and refuse."""

import numpy as np
import pytest

from bert_spark import load_artefact
from jobs import embed, score, train
from tests.support.paths import ROOT
from tests.support.row_counter import rows_through_python
from tests.support.run_records import run_record

SAMPLE = str(ROOT / "conf" / "sample_tweets.csv")
ROWS = 518
MISSING, EMPTY, MALFORMED = "730043504", "730201674", "730138571"


@pytest.fixture(scope="module")
def run_once(spark, tiny_bert, tmp_path_factory):
    """Run embed, train and score once; return their folder, and the number of rows that each sent through Python."""
    folder = tmp_path_factory.mktemp("jobs")
    source = ["--input", SAMPLE, "--text-column", "content"]
    counted = {}
    with rows_through_python(spark) as counted["embed"]:
        options = ["--id-column", "tweet_id", "--model", str(tiny_bert), "--output", str(folder / "vectors")]
        assert embed.main([*source, *options, "--diagnostics"]) == 0
    with rows_through_python(spark) as counted["train"]:
        options = ["--label-column", "sentiment", "--model", str(tiny_bert), "--output", str(folder / "artefact")]
        assert train.main([*source, *options]) == 0
    with rows_through_python(spark) as counted["score"]:
        options = ["--artefact", str(folder / "artefact"), "--output", str(folder / "scores"), "--scores"]
        assert score.main([*source, *options]) == 0
    return folder, counted


@pytest.fixture
def folder(run_once):
    """Return the folder with the outputs of the three jobs."""
    return run_once[0]


def read(spark, path):
    return {row.tweet_id: row for row in spark.read.parquet(str(path)).collect()}


def test_embed_keeps_every_record_and_gives_finite_vectors(spark, folder):
    rows = read(spark, folder / "vectors")
    assert len(rows) == ROWS
    assert {key for key, row in rows.items() if row.embedding is None} == {MISSING, MALFORMED}
    assert np.isfinite([row.embedding for row in rows.values() if row.embedding]).all()


def test_missing_empty_and_malformed_texts_have_different_errors(spark, folder):
    rows = read(spark, folder / "vectors")
    assert (rows[MISSING].content, rows[MISSING].error) == (None, "missing text")
    assert (rows[EMPTY].content, rows[EMPTY].error) == ("", None)
    assert (rows[MALFORMED].content, rows[MALFORMED].error) == (f"{MALFORMED},worry", "malformed row")


def test_output_has_the_columns_of_the_input_first(spark, folder):
    columns = spark.read.parquet(str(folder / "vectors")).columns
    assert columns[:6] == ["tweet_id", "sentiment", "author", "content", "embedding", "error"]
    assert columns[6:] == ["token_count", "truncated", "unknown_share"]


@pytest.mark.parametrize("job", ["embed", "train", "score"])
def test_each_job_sends_each_row_through_the_udf_once(run_once, job):
    assert run_once[1][job] == [ROWS]


def test_counts_of_an_embed_record_add_up(folder):
    counts = run_record(folder, "embed")
    rows = {"rows_in": ROWS, "rows_out": ROWS, "rows_missing": 1, "rows_malformed": 1, "rows_failed": 0}
    assert {name: counts[name] for name in rows} == rows
    assert counts["rows_truncated"] >= 1
    assert counts["texts_reused"] >= 3
    assert counts["encoder"]["max_length"] == 60
    assert len(counts["fingerprint"]) == 64


def test_label_counts_of_a_score_record_add_up(folder):
    counts = run_record(folder, "score")
    assert sum(counts["labels"].values()) == ROWS - counts["rows_missing"] - counts["rows_malformed"]


def test_scores_equal_those_of_the_pipeline(spark, folder):
    artefact = load_artefact(folder / "artefact")
    rows = [row for row in read(spark, folder / "scores").values() if row.label]
    decision = artefact.pipeline.decision_function([row.content for row in rows])
    labels = artefact.labels[decision.argmax(axis=1)]
    top = np.sort(decision, axis=1)
    is_clear = top[:, -1] - top[:, -2] > 1e-4  # a smaller difference may change the winner
    assert is_clear.sum() > 500
    assert all(row.label == label for row, label, clear in zip(rows, labels, is_clear, strict=True) if clear)
    np.testing.assert_allclose([row.margin for row in rows], top[:, -1], atol=1e-4)
    np.testing.assert_allclose([[row.scores[str(x)] for x in artefact.labels] for row in rows], decision, atol=1e-4)


def test_row_without_text_has_an_error_and_no_label(spark, folder):
    row = read(spark, folder / "scores")[MISSING]
    assert (row.label, row.margin, row.scores, row.error) == (None, None, None, "missing text")


def test_scoring_stored_vectors_gives_the_same_labels(spark, folder, tmp_path):
    vectors, scores = str(folder / "vectors"), str(tmp_path / "scores")
    options = ["--artefact", str(folder / "artefact"), "--embedding-column", "embedding", "--text-column", "content"]
    assert score.main(["--input", vectors, "--output", scores, *options]) == 0
    from_vectors, from_texts = read(spark, scores), read(spark, folder / "scores")
    assert {key: row.label for key, row in from_vectors.items()} == {key: row.label for key, row in from_texts.items()}
    assert {key: row.error for key, row in from_vectors.items()} == {key: row.error for key, row in from_texts.items()}
    assert {"token_count", "truncated"} <= set(spark.read.parquet(scores).columns)  # columns of the input stay
    assert "embedding" not in spark.read.parquet(scores).columns


def test_training_on_stored_vectors_gives_the_same_classifier_without_bert(spark, folder, tmp_path):
    options = ["--embeddings", str(folder / "vectors"), "--text-column", "content", "--label-column", "sentiment"]
    with rows_through_python(spark) as rows:
        assert train.main([*options, "--output", str(tmp_path / "artefact")]) == 0
    assert rows == []
    first, second = load_artefact(folder / "artefact"), load_artefact(tmp_path / "artefact")
    assert first.fingerprint == second.fingerprint
    np.testing.assert_allclose(first.pipeline[-1].coef_, second.pipeline[-1].coef_, atol=0.02)


def test_embed_prints_counts_paths_and_first_rows(spark, folder, tiny_bert, tmp_path, capfd):
    options = ["--text-column", "content", "--model", str(tiny_bert), "--output", str(tmp_path / "out")]
    embed.main(["--input", SAMPLE, *options])
    printed = capfd.readouterr().out
    assert "embed: 518 rows in" in printed
    assert "missing text 1, malformed 1, failed 0" in printed
    assert str(tmp_path / "_manifests") in printed
    assert "|sentiment|" in printed


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 1, "already exists; pass --overwrite, --append or another --output"),
        (
            ["--text-column", "tweet"],
            1,
            "column 'tweet' not found; the table has ['tweet_id', 'sentiment', 'author',",
        ),
        (["--pooling", "median"], 2, "pooling 'median' is unknown; known are"),
        (["--id-column", "key"], 1, "column 'key' not found"),
        (["--model", "/no/such/folder"], 1, "/no/such/folder"),
        (["--input", "/no/such/file.csv", "--overwrite"], 1, "can't read '/no/such/file.csv' as csv"),
        (["--append", "--max-length", "20"], 1, "holds vectors of encoder"),
    ],
)
def test_embed_refuses_wrong_settings_before_any_work(spark, folder, tiny_bert, caplog, options, code, message):
    base = ["--input", SAMPLE, "--text-column", "content", "--model", str(tiny_bert)]
    with rows_through_python(spark) as rows:
        assert embed.main([*base, "--output", str(folder / "vectors"), *options]) == code
    assert message in caplog.text
    assert rows == []


def test_train_refuses_one_class_before_bert_runs(spark, tiny_bert, tmp_path, caplog):
    (tmp_path / "tweets.csv").write_text("text,label\nhi,joy\nso,joy\n")
    base = ["--input", str(tmp_path / "tweets.csv"), "--model", str(tiny_bert)]
    with rows_through_python(spark) as rows:
        assert train.main([*base, "--output", str(tmp_path / "artefact")]) == 1
    assert "labels hold 1 class (['joy']); expected two or more" in caplog.text
    assert rows == []


def test_splits_hold_every_row_with_a_text_once(folder):
    split = load_artefact(folder / "artefact").metadata["split"]
    assert split["train"] + split["validation"] + split["test"] == ROWS - 2
    assert split["train"] > 2 * split["validation"]
