"""pooling="model" gives the vectors of sentence-transformers, and the settings by hand give them too."""

import json

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import ConfigError, ModelError
from tests.support.model_recipes import (
    BASE,
    CASES,
    MEAN,
    NORMALIZE,
    PROMPTS,
    TEXTS,
    WEIGHTED,
    dense,
    unit,
    vectors,
    write_recipe,
)
from tests.support.paths import ROOT
from tests.support.tiny_models import change_json

VALUES = json.loads((ROOT / "tests" / "data" / "model_recipes" / "values.json").read_text(encoding="utf-8"))


def encoder(folder, **settings):
    return BertEncoder.from_config(EncoderConfig(**{"model": str(folder), "device": "cpu"} | settings))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_the_models_own_recipe_gives_the_vectors_of_sentence_transformers(tmp_path, name, padding_side):
    folder = write_recipe(tmp_path / "model", **CASES[name])
    change_json(folder / "tokenizer_config.json", padding_side=padding_side)
    for token_budget in (1, 2048):  # each text alone, and all in one batch with padding
        own = encoder(folder, pooling="model", token_budget=token_budget)
        assert own.loaded.tokenizer.padding_side == padding_side
        close(own.encode(TEXTS), VALUES[name])
    assert own.width == len(VALUES[name][0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pooling": "last"}, lambda: vectors(BASE, TEXTS, "last")),
        ({"pooling": "mean_sqrt_len"}, lambda: vectors(BASE, TEXTS, "mean_sqrt_len")),
        ({"pooling": "weighted_mean", "normalize": True}, lambda: unit(vectors(BASE, TEXTS, "weighted_mean"))),
        ({"pooling": "mean", "dimensions": 8}, lambda: vectors(BASE, TEXTS)[:, :8]),
        ({"pooling": "mean", "dimensions": 8, "normalize": True}, lambda: unit(vectors(BASE, TEXTS)[:, :8])),
        ({"pooling": "mean", "prompt": "so: "}, lambda: vectors(BASE, [f"so: {text}" for text in TEXTS])),
        ({"pooling": "cls+last", "normalize": True}, lambda: unit(np.hstack([vectors(BASE, TEXTS, "cls"), LAST()]))),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_settings_by_hand_equal_their_formulas(settings, expected):
    chosen = encoder(BASE, max_length=40, **settings)
    close(chosen.encode(TEXTS), expected())
    assert chosen.width == expected().shape[1]


def LAST():
    return vectors(BASE, TEXTS, "last")


def test_settings_override_the_models_own(tmp_path):
    folder = write_recipe(tmp_path / "model", pooling=MEAN, settings=PROMPTS | {"truncate_dim": 4})
    chosen = encoder(folder, pooling="model", max_length=9, dimensions=8, normalize=True, prompt="")
    close(chosen.encode(TEXTS), unit(vectors(BASE, TEXTS, max_length=9)[:, :8]))


def test_a_prompt_is_chosen_by_its_name(tmp_path):
    folder = write_recipe(tmp_path / "model", settings=PROMPTS)
    named = {
        name: encoder(folder, pooling="mean", max_length=40, prompt=name) for name in ("query", "passage", "document")
    }
    close(named["query"].encode(TEXTS), vectors(BASE, [f"hello my: {text}" for text in TEXTS]))
    close(named["passage"].encode(TEXTS), vectors(BASE, [f"good {text}" for text in TEXTS]))
    assert named["document"].fingerprint == named["passage"].fingerprint
    assert named["query"].fingerprint != named["passage"].fingerprint
    with pytest.raises(
        ConfigError, match=r"prompt='title' is no prompt of this model; known are \['passage', 'query'\]"
    ):
        encoder(folder, prompt="title")


def test_a_prompt_left_out_of_the_pooling_is_still_read(tmp_path):
    folder = write_recipe(tmp_path / "model", pooling=WEIGHTED | {"include_prompt": False}, settings=PROMPTS)
    prompted = [f"hello my: {text}" for text in TEXTS]
    close(encoder(folder, pooling="model").encode(TEXTS), vectors(BASE, prompted, "weighted_mean", skipped=4))
    with pytest.raises(ConfigError, match="long_text='windows' can't do; set long_text='truncate', or prompt=''"):
        encoder(folder, pooling="model", long_text="windows")


def test_windows_of_a_long_text_give_a_vector_of_length_1(tmp_path):
    folder = write_recipe(tmp_path / "model", pooling=MEAN, after=[NORMALIZE])
    found = encoder(folder, pooling="model", long_text="windows", max_length=12).encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_the_same_recipe_by_hand_has_the_same_fingerprint(tmp_path):
    folder = write_recipe(tmp_path / "model", pooling=MEAN, after=[NORMALIZE])
    own = EncoderConfig(model=str(folder), pooling="model")
    by_hand = EncoderConfig(model=str(folder), pooling="mean", max_length=40, normalize=True)
    assert config_fingerprint(own) == config_fingerprint(by_hand) == encoder(folder, pooling="model").fingerprint
    assert config_fingerprint(own) != config_fingerprint(
        EncoderConfig(model=str(folder), pooling="mean", max_length=40)
    )


def test_changed_weights_after_the_pooling_change_the_fingerprint(tmp_path):
    before, after = (
        config_fingerprint(EncoderConfig(model=str(write_recipe(tmp_path / name, after=[step])), pooling="model"))
        for name, step in (("a", dense(32, 8)), ("b", dense(32, 8, bias=False)))
    )
    assert before != after
    assert before == config_fingerprint(EncoderConfig(model=str(tmp_path / "a"), pooling="model", token_budget=9))


def test_layers_that_do_not_fit_the_pooling_are_refused(tmp_path):
    folder = write_recipe(tmp_path / "model", pooling={"pooling_mode": ["cls", "mean"]}, after=[dense(32, 8)])
    with pytest.raises(ModelError, match="own Dense takes vectors of 32 numbers, its pooling gives 64"):
        encoder(folder, pooling="model")


def test_openvino_gives_the_same(tmp_path):
    pytest.importorskip("openvino", reason="openvino missing: pip install 'bert-spark[openvino]'")
    folder = write_recipe(tmp_path / "model", **CASES["prompt before cls"])
    close(encoder(folder, pooling="model", engine="openvino").encode(TEXTS), VALUES["prompt before cls"])


@pytest.mark.packaged
def test_the_packaged_models_own_recipe():
    own = encoder("packaged:minilm-l6", pooling="model")
    assert (own.recipe.poolings, own.max_length, own.width) == (("mean",), 256, 384)
    np.testing.assert_allclose(np.linalg.norm(own.encode(["so happy", ""]), axis=1), 1, atol=1e-6)
