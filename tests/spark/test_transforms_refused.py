"""A table that no embedding can be added to is refused before any work."""

import pytest
from pyspark.sql import functions as F
from sklearn.pipeline import make_pipeline

from bert_spark import BertTransformer, save_artefact, with_embedding, with_score
from bert_spark.errors import ConfigError, DataError
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.tables.provenance import check_vectors


def test_a_missing_text_column_is_named_with_the_existing_ones(table, config):
    with pytest.raises(DataError, match=r"column 'body' not found; the table has \['id', 'text'\]; set --text-column"):
        table.transform(with_embedding(config, text_column="body"))


def test_columns_that_only_this_package_knows_are_not_listed(table):
    hidden = table.withColumns({"_malformed_record": F.lit("x"), "_bert_spark_file": F.lit("x")})
    with pytest.raises(
        DataError, match=r"column 'v' not found; the table has \['id', 'text'\]; set --embedding-column"
    ):
        check_vectors(hidden, "v", "a")


def test_a_numeric_text_column_is_refused_with_the_cast(table, config):
    with pytest.raises(DataError, match=r"column 'id' is bigint; expected string; cast it first"):
        table.transform(with_embedding(config, text_column="id"))


def test_a_new_column_that_exists_is_refused(table, config):
    with pytest.raises(
        DataError,
        match=r"already has the columns \['Embedding'\], which this job adds; set --embedding-column, or rename",
    ):
        table.withColumn("Embedding", F.lit(1)).transform(with_embedding(config))


def test_an_unknown_diagnostic_is_refused(config):
    with pytest.raises(ConfigError, match=r"diagnostics \['length'\] are unknown; known are \['token_count'"):
        with_embedding(config, diagnostics=["length"])


def test_min_probability_is_refused_for_an_artefact_with_margins(tiny_bert, tmp_path):
    bert = BertTransformer(model=str(tiny_bert))
    save_artefact(tmp_path / "a", make_pipeline(bert, FastLinearSVC()).fit(["happy", "sad"], ["a", "b"]))
    with pytest.raises(ConfigError, match=r"gives margins, .* train it with --calibrate sigmoid"):
        with_score(str(tmp_path / "a"), min_probability=0.5)


@pytest.fixture(scope="module")
def artefact(tiny_bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artefact") / "a"
    bert = BertTransformer(model=str(tiny_bert))
    save_artefact(folder, make_pipeline(bert, FastLinearSVC()).fit(["happy", "sad"], ["a", "b"]))
    return str(folder)


@pytest.mark.parametrize(
    ("column", "options", "advice"),
    [
        ("Label", {}, "set --label-column, or rename them in the input"),
        ("margin", {}, "set --margin-column, or rename them in the input"),
        ("scores", {"scores": True}, "set --scores-column, or"),
        ("error", {}, "set --error-column, or"),
        ("embedding", {"keep_embedding": True}, "leave out --keep-embedding, or"),
        ("truncated", {"diagnostics": ["truncated"]}, "leave out --diagnostics, or"),
    ],
)
def test_the_option_that_renames_a_taken_column_is_named(table, artefact, column, options, advice):
    with pytest.raises(DataError, match=rf"already has the columns \['{column}'\], which this job adds; {advice}"):
        table.withColumn(column, F.lit(1)).transform(with_score(artefact, **options))


def test_new_columns_have_the_names_that_are_set(table, artefact):
    names = {"label_column": "predicted", "margin_column": "by", "scores_column": "all of them", "scores": True}
    row = table.withColumn("label", F.lit("own")).limit(1).transform(with_score(artefact, **names)).first()
    assert row.label == "own"
    assert row["all of them"][row.predicted] == row.by


@pytest.mark.parametrize("names", [{"label_column": "Error"}, {"label_column": "x", "margin_column": "x"}])
def test_two_new_columns_of_one_name_are_refused(artefact, names):
    with pytest.raises(ConfigError, match=r"got the names \['(error|x)'\] for two new columns each"):
        with_score(artefact, **names)
