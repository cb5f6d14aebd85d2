"""A model has one digest and one fingerprint however its folder is stored; whatever changes a vector changes them."""

import json

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint, encoder_fingerprint
from bert_spark.encoding.model_files import folder_digest, weight_files
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ModelError
from tests.support import tiny_models


def test_shards_have_the_digest_of_the_single_file(tiny_bert, copy):
    (copy / "model.safetensors").unlink()
    AutoModel.from_pretrained(str(tiny_bert)).save_pretrained(str(copy), max_shard_size="40KB")
    assert len(weight_files(copy)) > 2
    assert folder_digest(copy) == folder_digest(tiny_bert)
    assert tiny_models.load_cpu(copy).digest == folder_digest(tiny_bert)


def test_a_missing_shard_is_named(tiny_bert, copy):
    (copy / "model.safetensors").unlink()
    AutoModel.from_pretrained(str(tiny_bert)).save_pretrained(str(copy), max_shard_size="40KB")
    weight_files(copy)[1].unlink()
    with pytest.raises(ModelError, match=r"can't be loaded \(FileNotFoundError.*00002-of"):
        folder_digest(copy)
    with pytest.raises(ModelError, match="can't be loaded"):
        tiny_models.load_cpu(copy)


@pytest.mark.parametrize("index", ["{", "{}", "[]"])
def test_a_damaged_index_of_shards_is_named(copy, index):
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match="can't be loaded"):
        resolve_model(str(copy))


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
    "tokenizer": lambda folder: tiny_models.change_json(folder / "tokenizer_config.json", do_lower_case=False),
    "vocabulary": lambda folder: (folder / "vocab.txt").write_text("a"),
    "architecture": lambda folder: tiny_models.change_json(folder / "config.json", layer_norm_eps=1e-5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_changes_a_vector_changes_the_digest(tiny_bert, copy, change):
    change(copy)
    assert folder_digest(copy) != folder_digest(tiny_bert)


NO_CHANGES = {
    "who saved it": lambda folder: tiny_models.change_json(
        folder / "config.json", transformers_version="4.0", _name_or_path="/x"
    ),
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
    assert config_fingerprint(config) == encoder_fingerprint(folder_digest(tiny_bert), config)
    assert config_fingerprint(EncoderConfig(model=str(copy), token_budget=7)) == config_fingerprint(config)
    assert config_fingerprint(EncoderConfig(model=str(tiny_bert), max_length=61)) != config_fingerprint(config)
    CHANGES["architecture"](copy)
    assert config_fingerprint(EncoderConfig(model=str(copy))) != config_fingerprint(config)
