"""The three jobs end to end on the sample tweets, through main([...]): what they write, print and refuse."""

import json

import numpy as np
import pytest

from bert_spark import load_artefact
from jobs import embed, score, train
from tests.support.paths import ROOT
from tests.support.row_counter import rows_through_python

SAMPLE = str(ROOT / "conf" / "sample_tweets.csv")
ROWS = 518
MISSING, EMPTY, MALFORMED = "730043504", "730201674", "730138571"


@pytest.fixture(scope="module")
def made(spark, tiny_bert, tmp_path_factory):
    """Run embed, train and score once; return their folder and the rows each sent through Python."""
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


def read(spark, path):
    return {row.tweet_id: row for row in spark.read.parquet(str(path)).collect()}


def record(folder, job):
    (path,) = (folder / "_manifests").glob(f"{job}-*.json")
    return json.loads(path.read_text())


def test_embed_keeps_every_record_and_gives_each_good_text_finite_numbers(spark, made):
    rows = read(spark, made[0] / "vectors")
    assert len(rows) == ROWS
    assert {key for key, row in rows.items() if row.embedding is None} == {MISSING, MALFORMED}
    assert np.isfinite([row.embedding for row in rows.values() if row.embedding]).all()


def test_missing_empty_and_malformed_are_told_apart(spark, made):
    rows = read(spark, made[0] / "vectors")
    assert (rows[MISSING].content, rows[MISSING].error) == (None, "missing text")
    assert (rows[EMPTY].content, rows[EMPTY].error) == ("", None)
    assert (rows[MALFORMED].content, rows[MALFORMED].error) == (f"{MALFORMED},worry", "malformed row")


def test_output_has_the_inputs_columns_then_ours(spark, made):
    columns = spark.read.parquet(str(made[0] / "vectors")).columns
    assert columns[:6] == ["tweet_id", "sentiment", "author", "content", "embedding", "error"]
    assert columns[6:] == ["token_count", "truncated", "unknown_share"]


@pytest.mark.parametrize("job", ["embed", "train", "score"])
def test_every_job_sends_every_row_through_the_udf_once(made, job):
    assert made[1][job] == [ROWS]


def test_record_adds_up(made):
    found = record(made[0], "embed")
    counts = {name: found[name] for name in ("rows_in", "rows_out", "rows_missing", "rows_malformed", "rows_failed")}
    assert counts == {"rows_in": ROWS, "rows_out": ROWS, "rows_missing": 1, "rows_malformed": 1, "rows_failed": 0}
    assert found["rows_truncated"] >= 1
    assert found["texts_reused"] >= 3
    assert found["encoder"]["max_length"] == 60
    assert len(found["fingerprint"]) == 64


def test_label_counts_of_a_score_record_add_up_to_the_rows_with_a_label(made):
    found = record(made[0], "score")
    assert sum(found["labels"].values()) == ROWS - found["rows_missing"] - found["rows_malformed"]


def test_scores_are_the_pipelines_own(spark, made):
    artefact = load_artefact(made[0] / "artefact")
    rows = [row for row in read(spark, made[0] / "scores").values() if row.label]
    decision = artefact.pipeline.decision_function([row.content for row in rows])
    labels = artefact.labels[decision.argmax(axis=1)]
    top = np.sort(decision, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-4
    assert clear.sum() > 500
    assert all(row.label == label for row, label, sure in zip(rows, labels, clear, strict=True) if sure)
    np.testing.assert_allclose([row.margin for row in rows], top[:, -1], atol=1e-4)
    np.testing.assert_allclose([[row.scores[str(x)] for x in artefact.labels] for row in rows], decision, atol=1e-4)


def test_row_without_text_has_no_label_and_its_reason(spark, made):
    row = read(spark, made[0] / "scores")[MISSING]
    assert (row.label, row.margin, row.scores, row.error) == (None, None, None, "missing text")


def test_scoring_an_embed_output_gives_the_same_labels_without_bert(spark, made, tmp_path):
    vectors, scores = str(made[0] / "vectors"), str(tmp_path / "scores")
    options = ["--artefact", str(made[0] / "artefact"), "--embedding-column", "embedding", "--text-column", "content"]
    assert score.main(["--input", vectors, "--output", scores, *options]) == 0
    here, there = read(spark, scores), read(spark, made[0] / "scores")
    assert {key: row.label for key, row in here.items()} == {key: row.label for key, row in there.items()}
    assert {key: row.error for key, row in here.items()} == {key: row.error for key, row in there.items()}
    assert {"token_count", "truncated"} <= set(spark.read.parquet(scores).columns)  # what the table brought stays
    assert "embedding" not in spark.read.parquet(scores).columns


def test_training_from_an_embed_output_gives_the_same_classifier_without_bert(spark, made, tmp_path):
    options = ["--embeddings", str(made[0] / "vectors"), "--text-column", "content", "--label-column", "sentiment"]
    with rows_through_python(spark) as rows:
        assert train.main([*options, "--output", str(tmp_path / "artefact")]) == 0
    assert rows == []
    first, second = load_artefact(made[0] / "artefact"), load_artefact(tmp_path / "artefact")
    assert first.fingerprint == second.fingerprint
    np.testing.assert_allclose(first.pipeline[-1].coef_, second.pipeline[-1].coef_, atol=0.02)


def test_embed_prints_counts_places_and_rows(spark, made, tiny_bert, tmp_path, capfd):
    options = ["--text-column", "content", "--model", str(tiny_bert), "--output", str(tmp_path / "out")]
    embed.main(["--input", SAMPLE, *options])
    printed = capfd.readouterr().out
    assert "embed: 518 rows in" in printed
    assert "missing text 1, malformed 1, failed 0" in printed
    assert str(tmp_path / "_manifests") in printed
    assert "|sentiment|" in printed


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 1, "is there already; pass --overwrite, --append or another --output"),
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
def test_embed_refuses_before_any_work(spark, made, tiny_bert, caplog, options, code, said):
    base = ["--input", SAMPLE, "--text-column", "content", "--model", str(tiny_bert)]
    with rows_through_python(spark) as rows:
        assert embed.main([*base, "--output", str(made[0] / "vectors"), *options]) == code
    assert said in caplog.text
    assert rows == []


def test_unknown_key_in_toml_lists_the_known_ones(tmp_path, caplog):
    (tmp_path / "x.toml").write_text('[encoder]\nmodle = "x"\n')
    assert embed.main(["--config", str(tmp_path / "x.toml")]) == 2
    assert "[encoder]: unknown ['modle']; known are ['model', 'revision', 'max_length'" in caplog.text


def test_train_refuses_one_class_before_bert_runs(spark, tiny_bert, tmp_path, caplog):
    (tmp_path / "tweets.csv").write_text("text,label\nhi,joy\nso,joy\n")
    options = [
        "--input",
        str(tmp_path / "tweets.csv"),
        "--model",
        str(tiny_bert),
        "--output",
        str(tmp_path / "artefact"),
    ]
    with rows_through_python(spark) as rows:
        assert train.main(options) == 1
    assert "labels hold 1 class (['joy']); expected two or more" in caplog.text
    assert rows == []


def test_train_and_test_rows_share_no_text(made):
    split = load_artefact(made[0] / "artefact").metadata["split"]
    assert split["train"] + split["validation"] + split["test"] == ROWS - 2
    assert split["train"] > 2 * split["validation"]
