"""With a memory folder BERT runs once for each text and setting, and no text is stored."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from bert_spark.encoding import encoder_cache
from bert_spark.errors import ConfigError
from bert_spark.estimators.bert_transformer import BertTransformer

TEXTS = ["happy today", "i hate this", "hello world hello", ""]
MOODS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "-"] * 3


def test_a_grid_search_with_memory_runs_bert_once_per_text_and_setting(bert, tmp_path):
    pipeline = Pipeline([("bert", bert.set_params(memory=str(tmp_path))), ("svc", LinearSVC())])
    grid = {"bert__pooling": ["cls", "mean"], "bert__max_length": [8, 16], "svc__C": [0.1, 1, 10]}
    encoder_cache.clear_encoders()
    encoded = {}
    original = encoder_cache.BertEncoder.encode

    def encode(self, texts):
        key = (self.config.pooling, self.config.max_length)
        encoded[key] = encoded.get(key, 0) + len(texts)
        return original(self, texts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder_cache.BertEncoder, "encode", encode)
        search = GridSearchCV(pipeline, grid, cv=3).fit(MOODS, LABELS)
    assert encoded == {(pooling, length): len(set(MOODS)) for pooling in ("cls", "mean") for length in (8, 16)}
    assert search.predict(MOODS[:2]).tolist() == LABELS[:2]


def test_stored_vectors_are_used_for_the_same_text_and_settings_only(bert, tmp_path):
    plain = clone(bert).fit_transform(TEXTS)
    bert.set_params(memory=str(tmp_path)).fit_transform(TEXTS[2:])
    np.testing.assert_allclose(bert.fit_transform(TEXTS), plain, atol=1e-5)
    np.testing.assert_array_equal(bert.set_params(pooling="mean").fit_transform(TEXTS)[0] == plain[0], False)


def test_the_store_holds_no_text(bert, tmp_path):
    bert.set_params(memory=str(tmp_path)).fit_transform(["happy today"])
    (file,) = tmp_path.iterdir()
    assert b"happy" not in file.read_bytes()


def test_memory_needs_a_model_by_name(live, tmp_path):
    with pytest.raises(ConfigError, match="memory needs a model by name"):
        BertTransformer(*live, memory=str(tmp_path)).fit_transform(["a"])


def test_a_pipelines_own_memory_works(bert, tmp_path):
    pipeline = Pipeline([("bert", bert), ("svc", LinearSVC())], memory=str(tmp_path))
    search = GridSearchCV(pipeline, {"svc__C": [0.1, 1]}, cv=2, n_jobs=2).fit(MOODS, LABELS)
    assert search.best_score_ == 1.0
