"""Several artefacts are scored in one pass of BERT, and each predicts what it predicts alone."""

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from bert_spark import with_embedding, with_score
from bert_spark.artefact.saving import save_artefact
from bert_spark.errors import ConfigError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS, tfidf_and_bert
from tests.support.row_counter import rows_through_python

ROWS = [*((n, text) for n, text in enumerate(TEXTS[:6])), (6, None), (7, ""), (8, "happy happy sad")]


@pytest.fixture(scope="module")
def artefacts(tiny_bert, tmp_path_factory):
    """Return name -> folder: BERT alone, two classes, TF-IDF beside BERT, and TF-IDF alone."""
    folder = tmp_path_factory.mktemp("artefacts")
    bert = BertTransformer(model=str(tiny_bert))
    parity = ["even", "odd"] * (len(TEXTS) // 2)
    fitted = {
        "mood": make_pipeline(bert, FastLinearSVC()).fit(TEXTS, LABELS),
        "parity": make_pipeline(bert, FastLinearSVC()).fit(TEXTS, parity),
        "both": tfidf_and_bert(bert).fit(TEXTS, LABELS),
        "words": make_pipeline(TfidfVectorizer(), LinearSVC()).fit(TEXTS, LABELS),
    }
    for name, pipeline in fitted.items():
        save_artefact(folder / name, pipeline)
    return {name: str(folder / name) for name in fitted}


@pytest.fixture
def tweets(spark):
    """Return texts, one of them missing and one empty, in 2 partitions."""
    return spark.createDataFrame(ROWS, "id int, text string").repartition(2)


def columns_of(scored, name=""):
    suffix = f"_{name}" if name else ""
    names = [f"{column}{suffix}" for column in ("label", "margin", "scores")]
    return {row.id: tuple(row[column] for column in names) for row in scored.select("id", *names).collect()}


def test_each_artefact_predicts_what_it_predicts_alone_and_bert_runs_once(spark, tweets, artefacts):
    together = tweets.transform(with_score(artefacts, scores=True))
    with rows_through_python(spark) as rows:
        found = {row.id: row for row in together.collect()}
    assert rows == [len(ROWS)]
    assert together.columns == [
        *("id", "text"),
        *(f"{column}_{name}" for name in artefacts for column in ("label", "margin", "scores")),
        "error",
    ]
    assert [found[6].error, found[7].error] == ["missing text", None]
    for name, folder in artefacts.items():
        alone = columns_of(tweets.transform(with_score(folder, scores=True)))
        for number, (label, margin, scores) in alone.items():
            row = found[number]
            assert row[f"label_{name}"] == label
            assert row[f"margin_{name}"] == pytest.approx(margin, abs=1e-5)
            assert row[f"scores_{name}"] == pytest.approx(scores, abs=1e-5)


def test_stored_vectors_are_scored_by_all_artefacts_without_bert(tweets, artefacts, config):
    embedded = tweets.transform(with_embedding(config)).cache()
    embedded.count()
    options = {"scores": True, "diagnostics": ["token_count"]}  # counted by BERT's tokenizer
    from_texts = tweets.transform(with_score(artefacts, **options))
    from_vectors = embedded.transform(with_score(artefacts, embedding_column="embedding", **options))
    assert from_texts.where("token_count is not null").count() == len(ROWS) - 1
    assert from_vectors.where("token_count is not null").count() == 0
    for name in artefacts:
        expected, found = columns_of(from_texts, name), columns_of(from_vectors, name)
        assert {number: values[0] for number, values in found.items()} == {n: v[0] for n, v in expected.items()}
    embedded.unpersist()


def test_the_label_columns_name_the_group_and_its_encoder(tweets, artefacts):
    two = {name: artefacts[name] for name in ("mood", "parity")}
    schema = tweets.transform(with_score(two)).schema
    assert schema["label_mood"].metadata == schema["label_parity"].metadata
    alone = tweets.transform(with_score(two["mood"])).schema["label"].metadata
    assert set(alone) == set(schema["label_mood"].metadata)
    assert alone["bert_spark.artefact"] != schema["label_mood"].metadata["bert_spark.artefact"]


def test_settings_that_not_every_artefact_allows_are_refused(artefacts):
    with pytest.raises(ConfigError, match=r"min_probability=0.5: artefact '.*mood', '.*parity'.* gives margins"):
        with_score(artefacts, min_probability=0.5)
    with pytest.raises(ConfigError, match=r"got the names \['label_mood'\] for two new columns"):
        with_score(artefacts, error_column="label_mood")
    with pytest.raises(ConfigError, match="got no artefacts"):
        with_score({})
