"""A model's own recipe is read from its files, and what can't be followed is refused by name."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_recipe import read_model_recipe
from bert_spark.encoding.recipe_note import recipe_note
from bert_spark.encoding.vector_recipe import fill_in_length
from bert_spark.encoding.vector_steps import Normalize
from bert_spark.errors import ModelError
from tests.support.model_recipes import BASE, MEAN, NORMALIZE, PROMPTS, dense, layer_norm, write_recipe
from tests.support.tiny_models import change_json


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({}, ("mean",)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode": "lasttoken", "pooling_mode_mean_tokens": True}, ("last",)),
        ({"pooling_mode": ["mean_sqrt_len_tokens", "cls"]}, ("mean_sqrt_len", "cls")),
        ({"pooling_mode_lasttoken": True, "pooling_mode_max_tokens": True}, ("max", "last")),
        ({"pooling_mode_weightedmean_tokens": True}, ("weighted_mean",)),
    ],
    ids=str,
)
def test_poolings(folder, pooling, expected):
    assert read_model_recipe(write_recipe(folder, pooling)).poolings == expected


@pytest.mark.parametrize(
    ("transformer", "tokenizer", "expected"),
    [
        ({"max_seq_length": 12}, {}, 12),
        ({"max_seq_length": 12, "tokenizer_args": {"model_max_length": 9}}, {}, 9),
        ({"max_seq_length": None}, {"model_max_length": 50}, 50),
        ({"max_seq_length": None}, {"model_max_length": int(1e30)}, 64),  # the model's positions
        ({"max_seq_length": None}, {"model_max_length": 512}, 64),
    ],
    ids=str,
)
def test_length(folder, transformer, tokenizer, expected):
    write_recipe(folder, transformer=transformer)
    change_json(folder / "tokenizer_config.json", **tokenizer)
    assert read_model_recipe(folder).max_length == expected


def test_an_older_name_of_the_transformers_file(folder):
    write_recipe(folder)
    (folder / "sentence_bert_config.json").unlink()
    (folder / "sentence_xlm-roberta_config.json").write_text('{"max_seq_length": 11, "do_lower_case": true}')
    recipe = read_model_recipe(folder)
    assert (recipe.max_length, recipe.lower_case) == (11, True)


def test_a_default_prompt_without_text(folder):
    assert read_model_recipe(write_recipe(folder, settings=PROMPTS)).prompt == "hello my: "
    change_json(folder / "config_sentence_transformers.json", default_prompt_name="document")
    assert read_model_recipe(folder).prompt == ""


@pytest.mark.parametrize(("causal", "expected"), [({}, "last"), ({"is_causal": False}, "mean")], ids=str)
def test_a_model_without_a_recipe_has_the_mean_or_the_last_token(folder, causal, expected):
    assert read_model_recipe(BASE).poolings == ("mean",)
    assert not read_model_recipe(BASE).stated
    write_recipe(folder)
    (folder / "modules.json").unlink()
    change_json(folder / "config.json", architectures=["Qwen3ForCausalLM"], **causal)
    assert read_model_recipe(folder).poolings == (expected,)


MODULE = "sentence_transformers.models"


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "1_Pooling/config.json",
            {"pooling_mode": "attention"},
            r"has pooling_mode 'attention'; known are \['cls', 'max'",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode_rms": True},
            r"has the settings \['pooling_mode_rms'\], which this ver",
        ),
        (
            "sentence_bert_config.json",
            {"transformer_task": "fill-mask"},
            "has transformer_task = 'fill-mask'; expected 'f",
        ),
        (
            "sentence_bert_config.json",
            {"module_output_name": "sentence_embedding"},
            "has module_output_name = 'sentence_e",
        ),
        ("sentence_bert_config.json", {"modality_config": {"message": {}}}, "has modality_config = .*; expected texts"),
        ("sentence_bert_config.json", {"query_expansion": {"length": 32}}, r"has the settings \['query_expansion'\]"),
        ("sentence_bert_config.json", {"document_length": 9}, r"has the settings \['document_length'\]"),
        (
            "sentence_bert_config.json",
            {"tokenizer_args": {"add_eos_token": True}},
            r"options of the tokenizer \['add_eos",
        ),
        ("sentence_bert_config.json", {"config_args": {"is_decoder": True}}, r"has the settings \['config_args'\]"),
        (
            "config_sentence_transformers.json",
            {"model_type": "SparseEncoder"},
            "has model_type = 'SparseEncoder'; expec",
        ),
        (
            "config_sentence_transformers.json",
            {"default_prompt_name": "x"},
            "has default_prompt_name = 'x', and prompts",
        ),
        (
            "2_Dense/config.json",
            {"activation_function": "own.Swish"},
            "has the activation 'own.Swish'; expected a class",
        ),
        (
            "2_Dense/config.json",
            {"activation_function": "torch.hub.load"},
            "has the activation 'torch.hub.load'; expect",
        ),
        ("2_Dense/config.json", {"activation_function": "torch.nn.Linear"}, "'torch.nn.Linear', which needs arguments"),
        (
            "2_Dense/config.json",
            {"module_input_name": "token_embeddings"},
            "has module_input_name = 'token_embeddings'",
        ),
        ("2_Dense/config.json", {"in_features": None}, "has in_features = None; expected a number above 0"),
        ("2_Dense/config.json", {"out_features": 9}, r"holds \{.*\(8, 32\).*\}; expected \{.*\(9, 32\)"),
        ("2_Dense/config.json", {"dropout": 0.5}, r"has the settings \['dropout'\], which this version does not know"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_can_not_be_followed_is_refused_by_name(folder, file, changes, message):
    write_recipe(folder, after=[dense(32, 8)], settings=PROMPTS)
    assert read_model_recipe(folder).poolings == ("mean",)
    change_json(folder / file, **changes)
    with pytest.raises(ModelError, match=message):
        read_model_recipe(folder)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [("", "own_module.Transformer"), ("1_Pooling", f"{MODULE}.Pooling")],
            "'own_module.Transformer', which is code",
        ),
        (
            [("", f"{MODULE}.WordEmbeddings"), ("1_Pooling", f"{MODULE}.Pooling")],
            "expected Transformer and Pooling first",
        ),
        (
            [("", f"{MODULE}.Transformer"), ("2_Normalize", f"{MODULE}.Normalize")],
            "expected Transformer and Pooling first",
        ),
        (
            [("", f"{MODULE}.Transformer"), ("1_Pooling", f"{MODULE}.Pooling"), ("2", f"{MODULE}.LSTM")],
            r"names the modules \['LSTM'\] after the pooling; known are Normalize, Dense",
        ),
        (
            [("0_T", f"{MODULE}.Transformer"), ("1_Pooling", f"{MODULE}.Pooling")],
            "has its Transformer in '0_T'; expected",
        ),
        ([("", f"{MODULE}.Transformer"), ("../x", f"{MODULE}.Pooling")], r"the folder '\.\./x', which is not inside"),
        ([("", f"{MODULE}.Transformer"), ("/x", f"{MODULE}.Pooling")], "the folder '/x', which is not inside"),
        (
            [("", f"{MODULE}.Transformer"), ("no", f"{MODULE}.Pooling")],
            "no/config.json is missing; fetch the model anew",
        ),
        (7, r"can't be read \(TypeError: .*\); fetch the model anew"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_modules_that_can_not_be_followed_are_refused(folder, entries, message):
    write_recipe(folder)
    if isinstance(entries, list):
        entries = [{"path": path, "type": kind} for path, kind in entries]
    (folder / "modules.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match=message):
        read_model_recipe(folder)


def test_weights_that_are_no_safetensors_or_the_wrong_ones_are_refused(folder):
    write_recipe(folder, after=[layer_norm(32)])
    weights = folder / "2_LayerNorm" / "model.safetensors"
    save_file({"norm.weight": np.ones(32, np.float32)}, weights)
    with pytest.raises(ModelError, match=r"holds \{'norm.weight': \(32,\)\}; expected .*'norm.bias'"):
        read_model_recipe(folder)
    weights.rename(folder / "2_LayerNorm" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"holds \['pytorch_model.bin'\]; expected model.safetensors"):
        read_model_recipe(folder)


def test_a_chat_template_is_refused_without_a_recipe(folder):
    write_recipe(folder)
    change_json(folder / "tokenizer_config.json", chat_template="{{ messages }}")
    read_model_recipe(folder)  # its files say that texts go to the model as they are
    (folder / "modules.json").unlink()
    with pytest.raises(ModelError, match="has a chat template, into which sentence-transformers puts every text"):
        read_model_recipe(folder)


def test_a_changed_file_is_read_again(folder):
    write_recipe(folder, MEAN)
    assert read_model_recipe(folder).steps == ()
    write_recipe(folder, {"pooling_mode": "lasttoken"}, after=[NORMALIZE])
    assert (read_model_recipe(folder).poolings, read_model_recipe(folder).steps) == (("last",), (Normalize(),))


def test_a_recipe_without_a_length_asks_for_one(folder):
    write_recipe(folder, transformer={"max_seq_length": None})
    change_json(folder / "tokenizer_config.json", model_max_length=None)
    change_json(folder / "config.json", max_position_embeddings=-1)
    with pytest.raises(ModelError, match=r"states no length; set max_length \(--max-length\)"):
        fill_in_length(EncoderConfig(model=str(folder), pooling="model"))


# ---- the line about settings that differ from the recipe


def note(folder, **settings):
    return recipe_note(EncoderConfig(**{"model": str(folder)} | settings))


def test_a_note_says_what_the_authors_meant_and_the_option_that_does_it(folder):
    write_recipe(folder, MEAN, after=[dense(32, 8), NORMALIZE], settings=PROMPTS)
    said = note(folder)
    assert "was made for pooling mean, 40 tokens, vectors of length 1, its layers ['Dense'] after the pooling, " in said
    assert "the prompt 'hello my: '; the settings say pooling cls, 60 tokens, vectors of any length, no layer" in said
    assert said.endswith("no prompt: pooling='model' (--pooling model) follows it")
    assert note(folder, pooling="model") == ""
    assert "was made for 40 tokens; the settings say 9 tokens: leave" in note(folder, pooling="model", max_length=9)


def test_there_is_no_note_without_a_recipe_or_where_it_is_followed(folder):
    assert note(BASE) == ""
    write_recipe(folder, MEAN, after=[NORMALIZE])
    assert note(folder, pooling="mean", max_length=40, normalize=True) == ""
    assert note(folder, embedding_func=len) == ""


def test_a_note_says_what_can_not_be_followed(folder):
    write_recipe(folder, after=[("LSTM", None, {})])
    assert "names the modules ['LSTM'] after the pooling" in note(folder)
    with pytest.raises(ModelError, match="LSTM"):
        fill_in_length(EncoderConfig(model=str(folder), pooling="model"))
