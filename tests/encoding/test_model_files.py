"""A model has one digest however its folder is stored. Every change that affects vectors changes the digest."""

import json

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from bert_spark.encoding.model_files import folder_digest, weight_files
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ModelError
from tests.support import tiny_models


def test_shards_have_the_digest_of_the_single_file(tiny_bert, model_copy):
    (model_copy / "model.safetensors").unlink()
    AutoModel.from_pretrained(str(tiny_bert)).save_pretrained(str(model_copy), max_shard_size="40KB")
    assert len(weight_files(model_copy)) > 2
    assert folder_digest(model_copy) == folder_digest(tiny_bert)
    assert tiny_models.load_cpu(model_copy).digest == folder_digest(tiny_bert)


def test_a_missing_shard_is_named(tiny_bert, model_copy):
    (model_copy / "model.safetensors").unlink()
    AutoModel.from_pretrained(str(tiny_bert)).save_pretrained(str(model_copy), max_shard_size="40KB")
    weight_files(model_copy)[1].unlink()
    with pytest.raises(ModelError, match=r"can't be loaded \(FileNotFoundError.*00002-of"):
        folder_digest(model_copy)
    with pytest.raises(ModelError, match="can't be loaded"):
        tiny_models.load_cpu(model_copy)


@pytest.mark.parametrize("index", ["{", "{}", "[]"])
def test_a_damaged_index_of_shards_is_named(model_copy, index):
    (model_copy / "model.safetensors").unlink()
    (model_copy / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match="can't be loaded"):
        resolve_model(str(model_copy))


def test_a_single_file_is_used_instead_of_shards(model_copy):
    """If a folder holds both, transformers loads the single file."""
    index = model_copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "other.safetensors"}}))
    assert weight_files(model_copy) == [model_copy / "model.safetensors"]


def test_one_changed_number_changes_the_digest(tiny_bert, model_copy):
    data = bytearray((model_copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (model_copy / "model.safetensors").write_bytes(data)
    assert folder_digest(model_copy) != folder_digest(tiny_bert)


def test_exchanged_tensor_names_change_the_digest(tiny_bert, model_copy):
    tensors = load_file(model_copy / "model.safetensors")
    first, second = "encoder.layer.0.output.dense.weight", "encoder.layer.1.output.dense.weight"
    tensors[first], tensors[second] = tensors[second], tensors[first]
    save_file(tensors, model_copy / "model.safetensors", metadata={"format": "pt"})
    assert folder_digest(model_copy) != folder_digest(tiny_bert)


def test_a_new_tensor_name_changes_the_digest(tiny_bert, model_copy):
    tensors = load_file(model_copy / "model.safetensors")
    tensors["pooler.dense.weights"] = tensors.pop("pooler.dense.weight")  # the order of the names stays the same
    save_file(tensors, model_copy / "model.safetensors", metadata={"format": "pt"})
    assert folder_digest(model_copy) != folder_digest(tiny_bert)


def test_order_and_metadata_of_the_file_do_not_change_the_digest(tiny_bert, model_copy):
    data = (model_copy / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start]) | {"__metadata__": {"format": "pt", "by": "another"}}
    changed = json.dumps(dict(reversed(header.items()))).encode()
    (model_copy / "model.safetensors").write_bytes(len(changed).to_bytes(8, "little") + changed + data[start:])
    assert load_file(model_copy / "model.safetensors").keys() == load_file(tiny_bert / "model.safetensors").keys()
    assert folder_digest(model_copy) == folder_digest(tiny_bert)


CHANGES = {
    "tokenizer": lambda folder: tiny_models.change_json(folder / "tokenizer_config.json", do_lower_case=False),
    "vocabulary": lambda folder: (folder / "vocab.txt").write_text("a"),
    "architecture": lambda folder: tiny_models.change_json(folder / "config.json", layer_norm_eps=1e-5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_that_affects_vectors_changes_the_digest(tiny_bert, model_copy, change):
    change(model_copy)
    assert folder_digest(model_copy) != folder_digest(tiny_bert)


HARMLESS_CHANGES = {
    "who saved it": lambda folder: tiny_models.change_json(
        folder / "config.json", transformers_version="4.0", _name_or_path="/x"
    ),
    "a README": lambda folder: (folder / "README.md").write_text("x"),
    "a folder called tokenizer": lambda folder: (folder / "tokenizer").mkdir(),
}


@pytest.mark.parametrize("change", HARMLESS_CHANGES.values(), ids=HARMLESS_CHANGES.keys())
def test_a_change_that_affects_no_vector_keeps_the_digest(tiny_bert, model_copy, change):
    change(model_copy)
    assert folder_digest(model_copy) == folder_digest(tiny_bert)


def test_a_changed_folder_is_digested_again(model_copy):
    before = folder_digest(model_copy)
    CHANGES["architecture"](model_copy)
    assert folder_digest(model_copy) != before
