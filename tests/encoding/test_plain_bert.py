"""A published BERT is loaded without transformers' model classes. Its states are those of transformers."""

import json

import pytest
import torch
import transformers
from transformers import AutoModel, BertConfig, BertForMaskedLM, BertModel

from bert_spark.encoding.bert_forward import bert_forward_for
from bert_spark.encoding.plain_bert import PlainBert, load_plain_bert
from bert_spark.encoding.pooling import TokenPooling
from tests.support import tiny_models, transformers_oracle
from tests.support.tiny_models import IDS, MASK


def saved(folder, model=BertModel, config=BertConfig, **settings):
    return tiny_models.save(tiny_models.tiny(config, model, **settings), folder)


def with_half_weights(folder):
    folder = saved(folder)
    AutoModel.from_pretrained(folder, dtype=torch.float32).to(torch.bfloat16).save_pretrained(folder)
    return folder


PUBLISHED = {
    "one file": saved,
    "shards": lambda folder: tiny_models.save(tiny_models.tiny(BertConfig, BertModel), folder, max_shard_size="20KB"),
    "half weights": with_half_weights,
    "another epsilon": lambda folder: saved(folder, layer_norm_eps=0.1),
}


@pytest.mark.parametrize("make", PUBLISHED.values(), ids=PUBLISHED)
@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_states_equal_those_of_transformers(make, pooling, tmp_path):
    folder = make(tmp_path / "model")
    wanted = transformers_oracle.forward(AutoModel.from_pretrained(folder, dtype=torch.float32).eval(), IDS, MASK)
    with torch.inference_mode():
        got = bert_forward_for(load_plain_bert(folder).eval(), TokenPooling((pooling,)))(IDS, MASK)
    kept = MASK[:, : got[0].shape[1]].bool()  # with the pooler alone, only the first token's state is computed
    torch.testing.assert_close(got[0][kept], wanted[0][:, : got[0].shape[1]][kept], rtol=0, atol=1e-5)
    if pooling == "pooler":
        torch.testing.assert_close(got[1], wanted[1], rtol=0, atol=1e-5)


def test_the_weights_of_a_bert_with_a_head_are_found(tmp_path):
    """A masked language model has no pooler; here it gets one."""
    model = tiny_models.tiny(BertConfig, BertForMaskedLM)
    model.bert.pooler = tiny_models.tiny(BertConfig, BertModel).pooler
    folder = tiny_models.save(model, tmp_path / "model")
    assert torch.equal(load_plain_bert(folder).pooler.dense.weight, model.bert.pooler.dense.weight)


OTHERS = {
    "another activation": lambda folder: saved(folder, hidden_act="relu"),
    "a decoder": lambda folder: saved(folder, is_decoder=True),
    "another architecture": tiny_models.roberta,
    "no pooler": lambda folder: tiny_models.save(tiny_models.tiny(BertConfig, BertForMaskedLM), folder),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_any_other_model_is_left_to_transformers(make, tmp_path):
    assert load_plain_bert(make(tmp_path / "model")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"position_embedding_type": "relative_key"},
        {"quantization_config": {"bits": 8}},
        {"auto_map": {"AutoModel": "x.Y"}},
        {"intermediate_size": 32},
        {"vocab_size": "many"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_bert_with_other_settings_is_left_to_transformers(change, tmp_path):
    folder = saved(tmp_path / "model")
    assert type(load_plain_bert(folder)) is PlainBert
    tiny_models.change_json(folder / "config.json", **change)
    assert load_plain_bert(folder) is None


def test_an_adapter_in_the_folder_is_left_to_transformers(tmp_path):
    folder = saved(tmp_path / "model")
    (folder / "adapter_config.json").write_text(json.dumps({}))
    assert load_plain_bert(folder) is None


def test_an_encoder_of_a_bert_loads_no_model_class_of_transformers(run_fresh, tiny_bert):
    code = f"""
import sys
from bert_spark import BertEncoder, EncoderConfig
BertEncoder.from_config(EncoderConfig(model={str(tiny_bert)!r}, device="cpu")).encode(["hello"])
print(*{{"transformers.modeling_utils", "torch._dynamo", "sympy", "scipy.optimize"}} & set(sys.modules))
"""
    loaded = set(run_fresh(code).split())
    # transformers 4 loads the others for a tokenizer alone
    assert loaded == set() if transformers.__version__ >= "5" else "transformers.modeling_utils" not in loaded
