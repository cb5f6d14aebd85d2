"""A model's folder is found, verified, loaded as float32 in eval mode, and has one fingerprint however it is stored."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertModel, T5Config, T5Model
from transformers.utils import logging as transformers_logging

from bert_spark.encoding.model_files import folder_digest
from bert_spark.encoding.model_loader import from_live_objects
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ConfigError, ModelError
from tests.support import tiny_models

# Loading


def test_a_folder_is_loaded(tiny_bert):
    loaded = tiny_models.load_cpu(tiny_bert)
    assert (loaded.hidden, loaded.positions, loaded.device) == (32, 64, "cpu")
    assert loaded.digest == folder_digest(tiny_bert)
    assert loaded.tokenizer("hi")["input_ids"][0] == loaded.tokenizer.cls_token_id


def test_eval_mode_and_no_gradients(tiny_bert):
    """In train mode dropout gives one text two vectors."""
    model = tiny_models.load_cpu(tiny_bert).model
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_half_precision_checkpoint_is_loaded_as_float32(tiny_bert, copy, half):
    AutoModel.from_pretrained(str(tiny_bert), dtype=half).save_pretrained(str(copy))
    assert json.loads((copy / "config.json").read_text())["dtype"] == str(half).removeprefix("torch.")
    assert {p.dtype for p in tiny_models.load_cpu(copy).model.parameters()} == {torch.float32}


@pytest.mark.parametrize("shown", [True, False])
def test_the_progress_bar_is_the_users_again_after_loading(tiny_bert, shown, capfd):
    before = transformers_logging.is_progress_bar_enabled()
    try:
        (transformers_logging.enable_progress_bar if shown else transformers_logging.disable_progress_bar)()
        tiny_models.load_cpu(tiny_bert)
        assert transformers_logging.is_progress_bar_enabled() is shown
        assert "Loading weights" not in capfd.readouterr().err
    finally:
        (transformers_logging.enable_progress_bar if before else transformers_logging.disable_progress_bar)()


def test_the_progress_bar_is_the_users_again_after_a_failure(copy):
    (copy / "model.safetensors").write_bytes(b"broken")
    assert transformers_logging.is_progress_bar_enabled()
    with pytest.raises(ModelError, match="can't be loaded"):
        tiny_models.load_cpu(copy)
    assert transformers_logging.is_progress_bar_enabled()


@pytest.mark.parametrize(("name", "positions"), [("roberta", 32), ("mpnet", 32), ("distilbert", 32), ("electra", 32)])
def test_positions_are_what_the_model_can_read(tmp_path, name, positions):
    """RoBERTa and MPNet count from padding_idx + 1: a table of 34 is good for 32 tokens, and the 33rd is an error."""
    loaded = tiny_models.load_cpu(tiny_models.ARCHITECTURES[name](tmp_path / name))
    assert loaded.positions == positions
    ids = torch.full((1, positions), 5)
    loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    ids = torch.full((1, positions + 1), 5)
    with pytest.raises((IndexError, RuntimeError), match=r"out of range|out of bounds|size of tensor|expanded size"):
        loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))


# What is refused


def test_no_config_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json in .*; expected a folder written by save_pretrained"):
        resolve_model(str(tmp_path))


def test_weights_that_can_run_code_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"\['pytorch_model\.bin'\], no safetensors.*convert it once.*save_pretrained"):
        resolve_model(str(copy))


def test_no_weights_are_named(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has no weights, no safetensors"):
        tiny_models.load_cpu(copy)


def test_a_bin_file_beside_the_weights_is_not_looked_at(copy):
    (copy / "pytorch_model.bin").write_bytes(b"not a pickle")
    assert tiny_models.load_cpu(copy).hidden == 32


DAMAGE = {
    "weights cut short": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "weights empty": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "weights are a git-lfs pointer": lambda folder: (folder / "model.safetensors").write_text(
        "version https://git-lfs"
    ),
    "config is no JSON": lambda folder: (folder / "config.json").write_text("{"),
    "config of an unknown architecture": lambda folder: tiny_models.change_json(
        folder / "config.json", model_type="nobodys"
    ),
    "config of other sizes": lambda folder: tiny_models.change_json(folder / "config.json", hidden_size=64),
    "tokenizer is no JSON": lambda folder: (folder / "tokenizer.json").write_text("{"),
    "tokenizer is no tokenizer": lambda folder: (folder / "tokenizer.json").write_text('{"a": 1}'),
    "tokenizer config is no JSON": lambda folder: (folder / "tokenizer_config.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_named(copy, damage):
    damage(copy)
    with pytest.raises(ModelError, match=rf"model folder {copy} can't be loaded \(\w+: .*\): save or fetch it anew"):
        tiny_models.load_cpu(copy)


@pytest.mark.parametrize("left", [[], ["tokenizer_config.json"]], ids=["none", "config only"])
def test_a_folder_without_its_tokenizer_is_refused(copy, left):
    """Transformers 5 makes up a tokenizer of five tokens then, to which every word is unknown."""
    for path in copy.glob("tokenizer*"):
        if path.name not in left:
            path.unlink()
    with pytest.raises(ModelError, match="has no tokenizer vocabulary: save its tokenizer into"):
        tiny_models.load_cpu(copy)


def test_a_tensor_that_is_missing_is_named(copy):
    tensors = load_file(copy / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks \['encoder\.layer\.1\.output\.dense\.weight'\] \(1 tensors\)"):
        tiny_models.load_cpu(copy)


@pytest.fixture
def without_pooler(copy):
    """Return the folder of a model saved by masked-language training: transformers makes up a random pooler for it."""
    tiny_models.save(tiny_models.tiny(BertConfig, lambda config: BertModel(config, add_pooling_layer=False)), copy)
    return copy


def test_a_pooler_that_was_never_trained_is_refused(without_pooler):
    with pytest.raises(ModelError, match=r"'pooler': model .* has no trained pooler; use 'cls' or 'mean'"):
        tiny_models.load_cpu(without_pooler, pooling="pooler")


def test_a_pooler_that_nobody_asks_for_may_be_missing(without_pooler):
    assert tiny_models.load_cpu(without_pooler, pooling="cls").hidden == 32


def test_a_model_with_a_head_on_top_loads_as_its_encoder(tiny_bert, copy):
    AutoModelForMaskedLM.from_pretrained(str(tiny_bert)).save_pretrained(str(copy))
    ids = torch.tensor([[2, 10, 3]])
    expected = tiny_models.load_cpu(tiny_bert).model(ids).last_hidden_state
    assert torch.equal(tiny_models.load_cpu(copy).model(ids).last_hidden_state, expected)


def test_an_encoder_decoder_is_refused(copy):
    config = T5Config(vocab_size=200, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)
    tiny_models.save(T5Model(config), copy)
    with pytest.raises(ModelError, match="is an encoder-decoder; expected an encoder such as BERT or RoBERTa"):
        tiny_models.load_cpu(copy)


def test_code_from_a_folder_is_never_run(copy):
    tiny_models.change_json(
        copy / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModel": "own.Model"}
    )
    (copy / "own.py").write_text("raise SystemExit('code of the folder was run')")
    with pytest.raises(ModelError, match="can't be loaded"):
        tiny_models.load_cpu(copy)


def test_a_name_that_is_nowhere_is_refused_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = r"'nobody/nothing' \(revision v1\) can't be had: no such folder here, not in the hub's cache"
    with pytest.raises(ModelError, match=message):
        resolve_model("nobody/nothing", "v1")


def test_a_folder_that_is_not_there_is_no_name_on_the_hub():
    with pytest.raises(ModelError, match=r"'/no/such/folder/here' is neither a folder here nor a name on the hub"):
        resolve_model("/no/such/folder/here")


def test_home_is_expanded(tiny_bert, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_bert.parent))
    assert resolve_model("~/tiny_bert") == tiny_bert


# Live objects


def test_live_objects_are_taken_and_put_into_eval_mode(tiny_bert):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).train(), AutoTokenizer.from_pretrained(str(tiny_bert))
    loaded = from_live_objects(tokenizer, model)
    assert (loaded.model, loaded.tokenizer, loaded.device, loaded.digest) == (model, tokenizer, "cpu", "live")
    assert not model.training


def test_live_objects_in_the_other_order_are_refused(tiny_bert):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)), AutoTokenizer.from_pretrained(str(tiny_bert))
    with pytest.raises(
        ConfigError, match=r"got tokenizer=BertModel, model=BertTokenizer.*; expected a .* tokenizer first"
    ):
        from_live_objects(model, tokenizer)
