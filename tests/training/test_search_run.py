"""A search embeds once for all poolings, and tries the model's own recipe beside the others."""

import dataclasses

import numpy as np
import pytest

from bert_spark.cli.command_line import parse_job
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.errors import ConfigError, DataError, ModelError
from bert_spark.estimators.precomputed import VectorsByText
from bert_spark.settings import JobSettings
from bert_spark.training.config import SearchConfig, TrainConfig
from bert_spark.training.search_run import check_search, encoder_of_search
from jobs import search
from tests.support.model_recipes import MEAN, NORMALIZE, PROMPTS, TEXTS, dense, write_recipe


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def searched(folder, poolings=SearchConfig.poolings, **settings):
    encoder = EncoderConfig(model=str(folder), device="cpu", **settings)
    sections = {"encoder": encoder, "search": SearchConfig(poolings=poolings), "train": TrainConfig(artefact="search")}
    return encoder_of_search(JobSettings("search", sections))


def test_each_candidates_vectors_are_computed_of_those_of_one_pass(folder):
    write_recipe(folder, {"pooling_mode": "lasttoken"}, after=[dense(32, 8), NORMALIZE])
    encoder = searched(folder, max_length=40, normalize=True)
    assert (encoder.pooling, encoder.normalize) == ("cls+mean+last", False)
    stored = VectorsByText(TEXTS, BertEncoder.from_config(encoder).encode(TEXTS), encoder)
    for pooling in ("cls", "cls+mean", "model"):
        candidate = dataclasses.replace(encoder, pooling=pooling, normalize=True)
        expected = BertEncoder.from_config(candidate).encode(TEXTS)
        np.testing.assert_allclose(stored.encode(TEXTS, candidate), expected, rtol=0, atol=1e-5)
        assert stored.width(candidate) == expected.shape[1]


def test_vectors_with_steps_give_no_others(folder):
    write_recipe(folder, MEAN, after=[NORMALIZE])
    own = EncoderConfig(model=str(folder), pooling="model")
    stored = VectorsByText(TEXTS, np.ones((4, 32), np.float32), own)
    assert stored.encode(TEXTS[:1], own).shape == (1, 32)
    with pytest.raises(
        DataError, match="were normalised, cut or put through layers; embed the texts with the pooling 'm"
    ):
        stored.encode(TEXTS, dataclasses.replace(own, pooling="mean", max_length=40))


def test_the_default_grid_leaves_out_a_recipe_that_is_one_of_its_poolings(folder):
    assert searched(write_recipe(folder, MEAN), max_length=40).pooling == "cls+mean"


def test_the_default_grid_leaves_out_a_recipe_that_can_not_be_followed(folder, caplog):
    write_recipe(folder, after=[("LSTM", None, {})])
    assert searched(folder).pooling == "cls+mean"
    assert "pooling model is not tried: the model's own recipe: " in caplog.text
    with pytest.raises(ModelError, match="LSTM"):
        searched(folder, "cls,model")


def test_a_recipe_that_reads_other_tokens_is_tried_alone(folder):
    write_recipe(folder, MEAN, settings=PROMPTS)
    assert searched(folder).pooling == "cls+mean"
    with pytest.raises(
        ConfigError, match=r"reads other tokens .* than \['cls'\]; pass --prompt with the model's own, or"
    ):
        searched(folder, "cls,model")
    assert searched(folder, "cls,model", prompt="query").pooling == "cls+mean"
    assert searched(folder, "model").pooling == "model"


def test_flatten_is_searched_alone(folder):
    with pytest.raises(ConfigError, match="flatten cannot be searched together with others"):
        searched(write_recipe(folder), "cls,flatten")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--pooling", "max"],
            r"got pooling 'max', which the search .*; pass --poolings cls,mean,cls\+mean,model,max$",
        ),
        (["--head", "sklearn.naive_bayes.GaussianNB"], "set a --head that takes both"),
    ],
)
def test_what_the_grid_would_leave_out_of_account_is_refused(options, message):
    job = parse_job(search.__file__, None, ["--input", "tweets.csv", "--output", "search", *options])
    with pytest.raises(ConfigError, match=message):
        check_search(job)


def test_the_weight_of_tfidf_is_that_of_the_search_or_of_training():
    assert SearchConfig().tfidf_factor(TrainConfig()) == 3.0
    assert SearchConfig().tfidf_factor(TrainConfig(tfidf_weight=1.0)) == 1.0
    assert SearchConfig(tfidf_weight=2.0).tfidf_factor(TrainConfig(tfidf_weight=1.0)) == 2.0
