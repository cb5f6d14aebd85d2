"""A model's folder is found, verified, loaded as float32 in eval mode, and has one fingerprint however it is stored."""

import json
import shutil
import sys

import models
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertModel, T5Config, T5Model
from transformers.utils import logging as transformers_logging

from bert_spark import model as model_module
from bert_spark.checkpoint import folder_digest, weight_files
from bert_spark.config import EncoderConfig
from bert_spark.errors import ConfigError, ModelError
from bert_spark.model import config_fingerprint, fingerprint, from_objects, load, resolve


def load_cpu(folder, **settings):
    return load(EncoderConfig(model=str(folder), **settings), "cpu")


@pytest.fixture
def copy(tiny_bert, tmp_path):
    """Return a copy of the tiny model's folder, to damage."""
    return shutil.copytree(tiny_bert, tmp_path / "copy")


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# Loading


def test_a_folder_is_loaded(tiny_bert):
    loaded = load_cpu(tiny_bert)
    assert (loaded.hidden, loaded.positions, loaded.device) == (32, 64, "cpu")
    assert loaded.digest == folder_digest(tiny_bert)
    assert loaded.tokenizer("hi")["input_ids"][0] == loaded.tokenizer.cls_token_id


def test_eval_mode_and_no_gradients(tiny_bert):
    """In train mode dropout gives one text two vectors."""
    model = load_cpu(tiny_bert).model
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_half_precision_checkpoint_is_loaded_as_float32(tiny_bert, copy, half):
    AutoModel.from_pretrained(str(tiny_bert), dtype=half).save_pretrained(str(copy))
    assert json.loads((copy / "config.json").read_text())["dtype"] == str(half).removeprefix("torch.")
    assert {p.dtype for p in load_cpu(copy).model.parameters()} == {torch.float32}


@pytest.mark.parametrize("shown", [True, False])
def test_the_progress_bar_is_the_users_again_after_loading(tiny_bert, shown, capfd):
    before = transformers_logging.is_progress_bar_enabled()
    try:
        (transformers_logging.enable_progress_bar if shown else transformers_logging.disable_progress_bar)()
        load_cpu(tiny_bert)
        assert transformers_logging.is_progress_bar_enabled() is shown
        assert "Loading weights" not in capfd.readouterr().err
    finally:
        (transformers_logging.enable_progress_bar if before else transformers_logging.disable_progress_bar)()


def test_the_progress_bar_is_the_users_again_after_a_failure(copy):
    (copy / "model.safetensors").write_bytes(b"broken")
    assert transformers_logging.is_progress_bar_enabled()
    with pytest.raises(ModelError, match="can't be loaded"):
        load_cpu(copy)
    assert transformers_logging.is_progress_bar_enabled()


@pytest.mark.parametrize(("name", "positions"), [("roberta", 32), ("mpnet", 32), ("distilbert", 32), ("electra", 32)])
def test_positions_are_what_the_model_can_read(tmp_path, name, positions):
    """RoBERTa and MPNet count from padding_idx + 1: a table of 34 is good for 32 tokens, and the 33rd is an error."""
    loaded = load_cpu(models.ARCHITECTURES[name](tmp_path / name))
    assert loaded.positions == positions
    ids = torch.full((1, positions), 5)
    loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    ids = torch.full((1, positions + 1), 5)
    with pytest.raises((IndexError, RuntimeError), match=r"out of range|out of bounds|size of tensor|expanded size"):
        loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))


# What is refused


def test_no_config_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json in .*; expected a folder written by save_pretrained"):
        resolve(str(tmp_path))


def test_weights_that_can_run_code_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"\['pytorch_model\.bin'\], no safetensors.*convert it once.*save_pretrained"):
        resolve(str(copy))


def test_no_weights_are_named(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has no weights, no safetensors"):
        load_cpu(copy)


def test_a_bin_file_beside_the_weights_is_not_looked_at(copy):
    (copy / "pytorch_model.bin").write_bytes(b"not a pickle")
    assert load_cpu(copy).hidden == 32


DAMAGE = {
    "weights cut short": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "weights empty": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "weights are a git-lfs pointer": lambda folder: (folder / "model.safetensors").write_text(
        "version https://git-lfs"
    ),
    "config is no JSON": lambda folder: (folder / "config.json").write_text("{"),
    "config of an unknown architecture": lambda folder: change_json(folder / "config.json", model_type="nobodys"),
    "config of other sizes": lambda folder: change_json(folder / "config.json", hidden_size=64),
    "tokenizer is no JSON": lambda folder: (folder / "tokenizer.json").write_text("{"),
    "tokenizer is no tokenizer": lambda folder: (folder / "tokenizer.json").write_text('{"a": 1}'),
    "tokenizer config is no JSON": lambda folder: (folder / "tokenizer_config.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_named(copy, damage):
    damage(copy)
    with pytest.raises(ModelError, match=rf"model folder {copy} can't be loaded \(\w+: .*\): save or fetch it anew"):
        load_cpu(copy)


@pytest.mark.parametrize("left", [[], ["tokenizer_config.json"]], ids=["none", "config only"])
def test_a_folder_without_its_tokenizer_is_refused(copy, left):
    """Transformers 5 makes up a tokenizer of five tokens then, to which every word is unknown."""
    for path in copy.glob("tokenizer*"):
        if path.name not in left:
            path.unlink()
    with pytest.raises(ModelError, match="has no tokenizer vocabulary: save its tokenizer into"):
        load_cpu(copy)


def test_a_tensor_that_is_missing_is_named(copy):
    tensors = load_file(copy / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks \['encoder\.layer\.1\.output\.dense\.weight'\] \(1 tensors\)"):
        load_cpu(copy)


@pytest.fixture
def without_pooler(copy):
    """Return the folder of a model saved by masked-language training: transformers makes up a random pooler for it."""
    models.save(models.tiny(BertConfig, lambda config: BertModel(config, add_pooling_layer=False)), copy)
    return copy


def test_a_pooler_that_was_never_trained_is_refused(without_pooler):
    with pytest.raises(ModelError, match=r"'pooler': model .* has no trained pooler; use 'cls' or 'mean'"):
        load_cpu(without_pooler, pooling="pooler")


def test_a_pooler_that_nobody_asks_for_may_be_missing(without_pooler):
    assert load_cpu(without_pooler, pooling="cls").hidden == 32


def test_a_model_with_a_head_on_top_loads_as_its_encoder(tiny_bert, copy):
    AutoModelForMaskedLM.from_pretrained(str(tiny_bert)).save_pretrained(str(copy))
    ids = torch.tensor([[2, 10, 3]])
    expected = load_cpu(tiny_bert).model(ids).last_hidden_state
    assert torch.equal(load_cpu(copy).model(ids).last_hidden_state, expected)


def test_an_encoder_decoder_is_refused(copy):
    config = T5Config(vocab_size=200, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)
    models.save(T5Model(config), copy)
    with pytest.raises(ModelError, match="is an encoder-decoder; expected an encoder such as BERT or RoBERTa"):
        load_cpu(copy)


def test_code_from_a_folder_is_never_run(copy):
    change_json(copy / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModel": "own.Model"})
    (copy / "own.py").write_text("raise SystemExit('code of the folder was run')")
    with pytest.raises(ModelError, match="can't be loaded"):
        load_cpu(copy)


def test_a_name_that_is_nowhere_is_refused_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = r"'nobody/nothing' \(revision v1\) can't be had: no such folder here, not in the hub's cache"
    with pytest.raises(ModelError, match=message):
        resolve("nobody/nothing", "v1")


def test_a_folder_that_is_not_there_is_no_name_on_the_hub():
    with pytest.raises(ModelError, match=r"'/no/such/folder/here' is neither a folder here nor a name on the hub"):
        resolve("/no/such/folder/here")


def test_home_is_expanded(tiny_bert, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_bert.parent))
    assert resolve("~/tiny_bert") == tiny_bert


# The packaged model


def test_weights_under_a_name_of_their_own_are_refused(copy):
    """Their bytes would not be those that the fingerprint is of."""
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"transformers_weights": "other.safetensors"}))
    with pytest.raises(ModelError, match=r"transformers_weights='other\.safetensors'"):
        resolve(str(copy))


def test_a_tokenizer_of_more_tokens_than_the_embedding_table_is_refused(copy):
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["#newtag"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(ModelError, match=r"its tokenizer knows \d+ tokens, its embedding table \d+"):
        load_cpu(copy)


def test_a_home_that_cannot_be_written_is_no_trouble(tiny_bert, run_fresh):
    code = f"""
from bert_spark import BertEncoder, EncoderConfig
print(BertEncoder.from_config(EncoderConfig(model={str(tiny_bert)!r})).encode(["hi"]).shape)
"""
    nowhere = "/proc/nowhere"  # not even root can make it
    assert run_fresh(code, HOME=nowhere, HF_HOME=nowhere).endswith("(1, 32)")


def test_an_unknown_packaged_model_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"'packaged:bert' is not packaged; known are \['packaged:minilm-l6'\]"):
        resolve("packaged:bert")


def test_a_packaged_model_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setitem(model_module.PACKAGED, "packaged:x", ("no-such-package-here", "model", "0" * 64))
    with pytest.raises(ModelError, match=r"needs the package no-such-package-here: pip install 'bert-spark\[minilm\]'"):
        resolve("packaged:x")


@pytest.fixture
def package(tmp_path, monkeypatch, tiny_bert):
    """Make an importable package that holds the tiny model."""
    shutil.copytree(tiny_bert, tmp_path / "own_model" / "model")
    (tmp_path / "own_model" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "own_model" / "model"
    sys.modules.pop("own_model", None)


def test_a_packaged_model_of_other_bytes_is_refused(package, monkeypatch):
    monkeypatch.setitem(model_module.PACKAGED, "packaged:own", ("own-model", "model", "0" * 64))
    with pytest.raises(
        ModelError, match=r"model\.safetensors has sha256 [0-9a-f]{64}, expected 0{64}; reinstall own-model"
    ):
        resolve("packaged:own")


def test_a_packaged_model_without_its_weights_is_named(package, monkeypatch):
    (package / "model.safetensors").unlink()
    monkeypatch.setitem(model_module.PACKAGED, "packaged:own", ("own-model", "model", "0" * 64))
    with pytest.raises(ModelError, match=r"can't be loaded \(FileNotFoundError"):
        resolve("packaged:own")


@pytest.mark.packaged
def test_the_packaged_minilm_is_the_published_one():
    folder = resolve("packaged:minilm-l6")
    assert [path.name for path in weight_files(folder)] == ["model.safetensors"]
    loaded = load(EncoderConfig(), "cpu")
    assert (loaded.hidden, loaded.positions, len(loaded.tokenizer)) == (384, 512, 30522)


# Fingerprints


def test_shards_have_the_digest_of_the_single_file(tiny_bert, copy):
    (copy / "model.safetensors").unlink()
    AutoModel.from_pretrained(str(tiny_bert)).save_pretrained(str(copy), max_shard_size="40KB")
    assert len(weight_files(copy)) > 2
    assert folder_digest(copy) == folder_digest(tiny_bert)
    assert load_cpu(copy).digest == folder_digest(tiny_bert)


def test_a_missing_shard_is_named(tiny_bert, copy):
    (copy / "model.safetensors").unlink()
    AutoModel.from_pretrained(str(tiny_bert)).save_pretrained(str(copy), max_shard_size="40KB")
    weight_files(copy)[1].unlink()
    with pytest.raises(ModelError, match=r"can't be loaded \(FileNotFoundError.*00002-of"):
        folder_digest(copy)
    with pytest.raises(ModelError, match="can't be loaded"):
        load_cpu(copy)


@pytest.mark.parametrize("index", ["{", "{}", "[]"])
def test_a_damaged_index_of_shards_is_named(copy, index):
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match="can't be loaded"):
        resolve(str(copy))


def test_the_digest_is_of_the_weights_that_transformers_loads(copy):
    """Where a single file and shards lie side by side, transformers takes the single file."""
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "other.safetensors"}}))
    assert weight_files(copy) == [copy / "model.safetensors"]


def test_one_changed_number_changes_the_digest(tiny_bert, copy):
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    assert folder_digest(copy) != folder_digest(tiny_bert)


def test_the_same_numbers_under_exchanged_names_change_the_digest(tiny_bert, copy):
    tensors = load_file(copy / "model.safetensors")
    one, other = "encoder.layer.0.output.dense.weight", "encoder.layer.1.output.dense.weight"
    tensors[one], tensors[other] = tensors[other], tensors[one]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert folder_digest(copy) != folder_digest(tiny_bert)


def test_the_same_numbers_under_a_new_name_change_the_digest(tiny_bert, copy):
    tensors = load_file(copy / "model.safetensors")
    tensors["pooler.dense.weights"] = tensors.pop("pooler.dense.weight")  # in the same place of the order
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert folder_digest(copy) != folder_digest(tiny_bert)


def test_order_and_metadata_of_the_file_do_not_change_the_digest(tiny_bert, copy):
    data = (copy / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start]) | {"__metadata__": {"format": "pt", "by": "another"}}
    changed = json.dumps(dict(reversed(header.items()))).encode()
    (copy / "model.safetensors").write_bytes(len(changed).to_bytes(8, "little") + changed + data[start:])
    assert load_file(copy / "model.safetensors").keys() == load_file(tiny_bert / "model.safetensors").keys()
    assert folder_digest(copy) == folder_digest(tiny_bert)


CHANGES = {
    "tokenizer": lambda folder: change_json(folder / "tokenizer_config.json", do_lower_case=False),
    "vocabulary": lambda folder: (folder / "vocab.txt").write_text("a"),
    "architecture": lambda folder: change_json(folder / "config.json", layer_norm_eps=1e-5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_changes_a_vector_changes_the_digest(tiny_bert, copy, change):
    change(copy)
    assert folder_digest(copy) != folder_digest(tiny_bert)


NO_CHANGES = {
    "who saved it": lambda folder: change_json(folder / "config.json", transformers_version="4.0", _name_or_path="/x"),
    "a README": lambda folder: (folder / "README.md").write_text("x"),
    "a folder called tokenizer": lambda folder: (folder / "tokenizer").mkdir(),
}


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_what_changes_no_vector_leaves_the_digest(tiny_bert, copy, change):
    change(copy)
    assert folder_digest(copy) == folder_digest(tiny_bert)


def test_a_digest_is_not_remembered_over_a_change(copy):
    before = folder_digest(copy)
    CHANGES["architecture"](copy)
    assert folder_digest(copy) != before


def test_the_fingerprint_is_of_content_and_settings(tiny_bert, copy):
    config = EncoderConfig(model=str(tiny_bert))
    assert config_fingerprint(config) == fingerprint(folder_digest(tiny_bert), config)
    assert config_fingerprint(EncoderConfig(model=str(copy), token_budget=7)) == config_fingerprint(config)
    assert config_fingerprint(EncoderConfig(model=str(tiny_bert), max_length=61)) != config_fingerprint(config)
    CHANGES["architecture"](copy)
    assert config_fingerprint(EncoderConfig(model=str(copy))) != config_fingerprint(config)


# Live objects


def test_live_objects_are_taken_and_put_into_eval_mode(tiny_bert):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).train(), AutoTokenizer.from_pretrained(str(tiny_bert))
    loaded = from_objects(tokenizer, model)
    assert (loaded.model, loaded.tokenizer, loaded.device, loaded.digest) == (model, tokenizer, "cpu", "live")
    assert not model.training


def test_live_objects_in_the_other_order_are_refused(tiny_bert):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)), AutoTokenizer.from_pretrained(str(tiny_bert))
    with pytest.raises(
        ConfigError, match=r"got tokenizer=BertModel, model=BertTokenizer.*; expected a .* tokenizer first"
    ):
        from_objects(model, tokenizer)
