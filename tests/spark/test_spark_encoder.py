"""One word makes a pipeline distributed; what is saved of it runs locally, and scores on Spark as it predicts here."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline

from bert_spark import BertTransformer, SparkEncoder, load_artefact, save_artefact, with_embedding, with_score
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.row_counter import rows_through_python

TEXTS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "o"] * 3


@pytest.fixture(scope="module")
def distributed(spark, tiny_bert, tmp_path_factory):
    """Return a union of TF-IDF and BERT on executors, fitted; what passed Python workers; and its artefact."""
    bert = BertTransformer(model=str(tiny_bert), encoder=SparkEncoder())
    pipeline = make_pipeline(FeatureUnion([("tfidf", TfidfVectorizer()), ("bert", bert)]), FastLinearSVC())
    with rows_through_python(spark) as rows:
        pipeline.fit(TEXTS, LABELS)
    folder = tmp_path_factory.mktemp("face") / "artefact"
    save_artefact(folder, pipeline)
    return pipeline, rows, folder


def test_every_text_goes_through_the_executors_once(distributed):
    assert sum(distributed[1]) == len(TEXTS)


def test_the_artefact_is_local_and_decides_alike(distributed):
    loaded = load_artefact(distributed[2])
    assert dict(loaded.pipeline[0].transformer_list)["bert"].encoder is None
    expected = distributed[0].decision_function(TEXTS[:6])
    np.testing.assert_allclose(loaded.pipeline.decision_function(TEXTS[:6]), expected, atol=1e-4)


def test_it_scores_on_spark_as_it_predicts_here(spark, distributed):
    df = spark.createDataFrame(list(enumerate([*TEXTS[:6], None])), "id int, text string")
    rows = df.transform(with_score(str(distributed[2]), scores=True)).orderBy("id").collect()
    assert [row.label for row in rows] == [*load_artefact(distributed[2]).pipeline.predict(TEXTS[:6]), None]
    assert rows[-1].error == "missing text"


def test_vectors_that_are_there_score_alike_whatever_their_column_is_called(spark, distributed):
    """A dot or a backtick in its name names no field of a struct; the pandas way that Spark 3.5 takes does the same."""
    folder = str(distributed[2])
    config = load_artefact(distributed[2]).config
    df = spark.createDataFrame([*enumerate(TEXTS[:6]), (6, None)], "id int, text string")
    embedded = df.transform(with_embedding(config, embedding_column="a.`vector`"))
    scored = embedded.transform(with_score(folder, embedding_column="a.`vector`")).orderBy("id").collect()
    assert [row.label for row in scored] == [*load_artefact(distributed[2]).pipeline.predict(TEXTS[:6]), None]
    assert scored[-1].error == "missing text"
