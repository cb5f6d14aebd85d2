"""A folder is loaded as a float32 model in eval mode with its tokenizer, and a damaged folder is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertModel, T5Config, T5Model
from transformers.utils import logging as transformers_logging

from bert_spark.encoding.live_model import from_live_objects
from bert_spark.encoding.model_files import folder_digest
from bert_spark.errors import ConfigError, ModelError
from tests.support import tiny_models, transformers_oracle


def test_a_folder_is_loaded(tiny_bert):
    loaded = tiny_models.load_cpu(tiny_bert)
    assert (loaded.hidden, loaded.positions, loaded.device) == (32, 64, "cpu")
    assert loaded.digest == folder_digest(tiny_bert)
    assert loaded.tokenizer("hi")["input_ids"][0] == loaded.tokenizer.cls_token_id


def test_a_model_is_in_eval_mode_without_gradients(tiny_bert):
    """In train mode dropout would give the same text two different vectors."""
    model = tiny_models.load_cpu(tiny_bert).model
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_half_precision_checkpoint_is_loaded_as_float32(tiny_bert, model_copy, half):
    AutoModel.from_pretrained(str(tiny_bert), dtype=half).save_pretrained(str(model_copy))
    assert json.loads((model_copy / "config.json").read_text())["dtype"] == str(half).removeprefix("torch.")
    assert {p.dtype for p in tiny_models.load_cpu(model_copy).model.parameters()} == {torch.float32}


@pytest.mark.parametrize("shown", [True, False])
def test_the_progress_bar_is_restored_after_loading(tiny_bert, shown, capfd):
    before = transformers_logging.is_progress_bar_enabled()
    try:
        (transformers_logging.enable_progress_bar if shown else transformers_logging.disable_progress_bar)()
        tiny_models.load_cpu(tiny_bert)
        assert transformers_logging.is_progress_bar_enabled() is shown
        assert "Loading weights" not in capfd.readouterr().err
    finally:
        (transformers_logging.enable_progress_bar if before else transformers_logging.disable_progress_bar)()


def test_the_progress_bar_is_restored_after_a_failure(model_copy):
    (model_copy / "model.safetensors").write_bytes(b"broken")
    assert transformers_logging.is_progress_bar_enabled()
    with pytest.raises(ModelError, match="can't be loaded"):
        tiny_models.load_cpu(model_copy)
    assert transformers_logging.is_progress_bar_enabled()


@pytest.mark.parametrize(("name", "positions"), [("roberta", 32), ("mpnet", 32), ("distilbert", 32), ("electra", 32)])
def test_positions_are_the_tokens_that_the_model_can_read(tmp_path, name, positions):
    """RoBERTa and MPNet count from padding_idx + 1: a table of 34 is enough for 32 tokens, and the 33rd is an error."""
    loaded = tiny_models.load_cpu(tiny_models.ARCHITECTURES[name](tmp_path / name))
    assert loaded.positions == positions
    ids = torch.full((1, positions), 5)
    loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    ids = torch.full((1, positions + 1), 5)
    with pytest.raises((IndexError, RuntimeError), match=r"out of range|out of bounds|size of tensor|expanded size"):
        loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))


DAMAGE = {
    "weights cut short": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "weights empty": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "weights are a git-lfs pointer": lambda folder: (folder / "model.safetensors").write_text(
        "version https://git-lfs"
    ),
    "config is not JSON": lambda folder: (folder / "config.json").write_text("{"),
    "config of an unknown architecture": lambda folder: tiny_models.change_json(
        folder / "config.json", model_type="nobodys"
    ),
    "config of other sizes": lambda folder: tiny_models.change_json(folder / "config.json", hidden_size=64),
    "tokenizer is not JSON": lambda folder: (folder / "tokenizer.json").write_text("{"),
    "tokenizer is another JSON": lambda folder: (folder / "tokenizer.json").write_text('{"a": 1}'),
    "tokenizer config is not JSON": lambda folder: (folder / "tokenizer_config.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_named(model_copy, damage):
    damage(model_copy)
    message = rf"model folder {model_copy} can't be loaded \(\w+: .*\): save or fetch it anew"
    with pytest.raises(ModelError, match=message):
        tiny_models.load_cpu(model_copy)


@pytest.mark.parametrize("remaining", [[], ["tokenizer_config.json"]], ids=["none", "config only"])
def test_a_folder_without_its_tokenizer_is_refused(model_copy, remaining):
    """Without the files transformers 5 creates a tokenizer of five tokens, to which every word is unknown."""
    for path in model_copy.glob("tokenizer*"):
        if path.name not in remaining:
            path.unlink()
    with pytest.raises(ModelError, match="has no tokenizer vocabulary: save its tokenizer into"):
        tiny_models.load_cpu(model_copy)


def test_a_tokenizer_larger_than_the_embedding_table_is_refused(model_copy):
    tokenizer = AutoTokenizer.from_pretrained(model_copy)
    tokenizer.add_tokens(["#newtag"])
    tokenizer.save_pretrained(model_copy)
    with pytest.raises(ModelError, match=r"its tokenizer knows \d+ tokens, its embedding table \d+"):
        tiny_models.load_cpu(model_copy)


def test_a_missing_tensor_is_named(model_copy):
    tensors = load_file(model_copy / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, model_copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks \['encoder\.layer\.1\.output\.dense\.weight'\] \(1 tensors\)"):
        tiny_models.load_cpu(model_copy)


@pytest.fixture
def without_pooler(model_copy):
    """Return the folder of a model from masked-language training. transformers adds a random pooler to it."""
    tiny_models.save(
        tiny_models.tiny(BertConfig, lambda config: BertModel(config, add_pooling_layer=False)), model_copy
    )
    return model_copy


def test_an_untrained_pooler_is_refused(without_pooler):
    with pytest.raises(ModelError, match=r"'pooler': model .* has no trained pooler; use 'cls' or 'mean'"):
        tiny_models.load_cpu(without_pooler, pooling="pooler")


def test_an_unused_pooler_may_be_missing(without_pooler):
    assert tiny_models.load_cpu(without_pooler, pooling="cls").hidden == 32


def test_a_model_with_a_head_is_loaded_without_the_head(tiny_bert, model_copy):
    AutoModelForMaskedLM.from_pretrained(str(tiny_bert)).save_pretrained(str(model_copy))
    ids = torch.tensor([[2, 10, 3]])
    expected = transformers_oracle.forward(transformers_oracle.load(tiny_bert)[1], ids).last_hidden_state
    loaded = tiny_models.load_cpu(model_copy).model
    assert torch.equal(transformers_oracle.forward(loaded, ids).last_hidden_state, expected)


def test_an_encoder_decoder_is_refused(model_copy):
    config = T5Config(vocab_size=200, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)
    tiny_models.save(T5Model(config), model_copy)
    with pytest.raises(ModelError, match="is an encoder-decoder; expected an encoder such as BERT or RoBERTa"):
        tiny_models.load_cpu(model_copy)


def test_code_from_a_folder_is_never_run(model_copy):
    tiny_models.change_json(
        model_copy / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModel": "own.Model"}
    )
    (model_copy / "own.py").write_text("raise SystemExit('code of the folder was run')")
    with pytest.raises(ModelError, match="can't be loaded"):
        tiny_models.load_cpu(model_copy)


def test_a_live_model_is_put_into_eval_mode(tiny_bert):
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
