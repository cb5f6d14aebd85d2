"""SparkEncoder embeds on the executors. The saved pipeline encodes locally, and with_score gives the same labels."""

import numpy as np
import pytest
from pyspark.sql import functions as F
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline

from bert_spark import BertTransformer, SparkEncoder, load_artefact, save_artefact, with_embedding, with_score
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.tables.provenance import vector_metadata
from tests.support.row_counter import rows_through_python

TEXTS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "o"] * 3


@pytest.fixture(scope="module")
def distributed(spark, tiny_bert, tmp_path_factory):
    """Return a pipeline fitted on executors, the rows that went through Python workers, and its artefact's folder."""
    bert = BertTransformer(model=str(tiny_bert), encoder=SparkEncoder())
    pipeline = make_pipeline(FeatureUnion([("tfidf", TfidfVectorizer()), ("bert", bert)]), FastLinearSVC())
    with rows_through_python(spark) as rows:
        pipeline.fit(TEXTS, LABELS)
    folder = tmp_path_factory.mktemp("distributed") / "artefact"
    save_artefact(folder, pipeline)
    return pipeline, rows, folder


def test_every_text_goes_through_the_executors_once(distributed):
    assert sum(distributed[1]) == len(TEXTS)


def test_the_loaded_artefact_encodes_locally_with_the_same_decisions(distributed):
    loaded = load_artefact(distributed[2])
    assert dict(loaded.pipeline[0].transformer_list)["bert"].encoder is None
    expected = distributed[0].decision_function(TEXTS[:6])
    np.testing.assert_allclose(loaded.pipeline.decision_function(TEXTS[:6]), expected, atol=1e-4)


def test_with_score_gives_the_labels_of_predict(spark, distributed):
    df = spark.createDataFrame(list(enumerate([*TEXTS[:6], None])), "id int, text string")
    rows = df.transform(with_score(str(distributed[2]), scores=True)).orderBy("id").collect()
    assert [row.label for row in rows] == [*load_artefact(distributed[2]).pipeline.predict(TEXTS[:6]), None]
    assert rows[-1].error == "missing text"


def test_stored_vectors_give_the_same_labels_under_any_column_name(spark, distributed):
    """A dot or a backtick in the name is not read as a struct's field. On Spark 3.5 this tests the pandas UDF."""
    folder = str(distributed[2])
    config = load_artefact(distributed[2]).config
    df = spark.createDataFrame([*enumerate(TEXTS[:6]), (6, None)], "id int, text string")
    embedded = df.transform(with_embedding(config, embedding_column="a.`vector`"))
    scored = embedded.transform(with_score(folder, embedding_column="a.`vector`")).orderBy("id").collect()
    assert [row.label for row in scored] == [*load_artefact(distributed[2]).pipeline.predict(TEXTS[:6]), None]
    assert scored[-1].error == "missing text"


def test_stored_vectors_that_cannot_be_scored_get_their_reason_and_no_label(spark, distributed):
    """Vectors of 16 and 48 numbers together hold as many as two of 32: they must not be scored as if they did."""
    artefact = load_artefact(distributed[2])
    good = artefact.pipeline[0].transformer_list[1][1].transform(TEXTS[:1])[0].tolist()
    vectors = [good, None, good[:16], good + good[:16], [float("nan"), *good[1:]], good]
    rows = [(n, TEXTS[0], vector) for n, vector in enumerate(vectors)]
    df = spark.createDataFrame(rows, "id int, text string, embedding array<float>").coalesce(1)
    df = df.withColumn("embedding", F.col("embedding").alias("embedding", metadata=vector_metadata(artefact.config)))
    scored = df.transform(with_score(str(distributed[2]), embedding_column="embedding")).orderBy("id").collect()
    (label,) = artefact.pipeline.predict(TEXTS[:1])
    assert [row.label for row in scored] == [label, None, None, None, None, label]
    assert [row.margin is None for row in scored] == [False, True, True, True, True, False]
    assert [row.error for row in scored] == [
        None,
        "missing vector",
        "vector of 16 numbers, expected 32",
        "vector of 48 numbers, expected 32",
        "vector is not finite",
        None,
    ]
