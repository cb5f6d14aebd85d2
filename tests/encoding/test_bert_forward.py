"""Running the last layer for the CLS token alone changes no vector. Other models run their own forward pass."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from bert_spark.encoding.bert_forward import BertForward, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.torch_backend import with_half_weights
from tests.support import tiny_models, transformers_oracle
from tests.support.tiny_models import IDS, MASK


def tokens_per_layer(forward):
    """Return how many tokens the last part of each layer got."""
    tokens = []
    for layer in forward.layers:
        layer.output.LayerNorm.register_forward_hook(lambda module, args, out: tokens.append(args[0].shape[1]))
    with torch.no_grad():
        forward(IDS, MASK)
    return tokens


def test_cls_state_and_pooled_output_equal_transformers(bert):
    with torch.no_grad():
        states, pooled = BertForward(bert, first_token_only=True, pooled=True)(IDS, MASK)
    assert states.shape == (3, 1, 32)
    torch.testing.assert_close(states[:, 0], transformers_oracle.forward(bert, IDS, MASK)[0][:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(pooled, transformers_oracle.forward(bert, IDS, MASK).pooler_output, rtol=0, atol=1e-5)


def test_positions_of_roberta_equal_transformers(roberta):
    """Padding of RoBERTa has the id 1, and positions start after it."""
    ids = torch.tensor([[0, 40, 41, 42, 2], [0, 50, 2, 1, 1]])
    with torch.no_grad():
        states = BertForward(roberta, first_token_only=True)(ids, (ids != 1).long())[0]
    torch.testing.assert_close(
        states[:, 0], transformers_oracle.forward(roberta, ids, (ids != 1).long())[0][:, 0], rtol=0, atol=1e-5
    )


def test_all_states_equal_transformers(bert):
    with torch.no_grad():
        states = BertForward(bert, first_token_only=False)(IDS, MASK)[0]
    real = MASK.bool()
    torch.testing.assert_close(states[real], transformers_oracle.forward(bert, IDS, MASK)[0][real], rtol=0, atol=1e-5)


def test_the_last_layer_runs_for_the_first_token_alone(tiny_bert):
    model = AutoModel.from_pretrained(str(tiny_bert)).eval()
    assert tokens_per_layer(BertForward(model, first_token_only=True)) == [6, 1]


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_as_near_to_float32_as_autocast(bert, precision):
    with torch.no_grad():
        actual = BertForward(with_half_weights(bert, precision), first_token_only=True)(IDS, MASK)[0][:, 0]
        with torch.autocast("cpu", dtype=precision):
            autocast = bert(input_ids=IDS, attention_mask=MASK)[0][:, 0].float()
    exact = transformers_oracle.forward(bert, IDS, MASK)[0][:, 0]
    assert actual.dtype == torch.float32
    assert 0 < (actual - exact).abs().max() < 1.5 * (autocast - exact).abs().max() + 1e-3


def test_the_forward_pass_shares_the_models_tensors(bert):
    shared = {tensor.data_ptr() for tensor in BertForward(bert, first_token_only=True, pooled=True).parameters()}
    assert shared == {tensor.data_ptr() for tensor in bert.parameters()}


@pytest.mark.parametrize("name", ["distilbert", "electra", "mpnet"])
def test_other_architectures_are_not_of_the_bert_family(tmp_path, name):
    assert not is_bert_family(AutoModel.from_pretrained(str(tiny_models.ARCHITECTURES[name](tmp_path / name))))


def test_subclasses_decoders_and_changed_models_are_not_of_the_bert_family(bert):
    class Subclass(BertModel):
        pass

    assert is_bert_family(bert)
    assert not is_bert_family(tiny_models.tiny(BertConfig, Subclass))
    assert not is_bert_family(tiny_models.tiny(BertConfig, BertModel, is_decoder=True))
    adapted = tiny_models.tiny(BertConfig, BertModel)
    adapted.encoder.layer[1].output.dense = ReplacedLinear(32, 32)
    assert not is_bert_family(adapted)
    hooked = tiny_models.tiny(BertConfig, BertModel)
    hooked.encoder.layer[0].register_forward_hook(lambda *parts: None)
    assert not is_bert_family(hooked)


class ReplacedLinear(torch.nn.Linear):
    """A layer that takes the place of a linear layer, such as an adapter."""


def test_an_encoder_equals_the_models_own_forward_pass(tiny_bert):
    texts = ["hello", "", "happy happy sad " * 30, "hi my name is nicolas"]
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling="cls+mean")
    general = BertEncoder.from_config(dataclasses.replace(config, pooling="cls", embedding_func=cls_and_mean))
    np.testing.assert_allclose(BertEncoder.from_config(config).encode(texts), general.encode(texts), rtol=0, atol=1e-5)


def cls_and_mean(output):
    return torch.cat([output[0][:, 0], output[0].mean(dim=1)], dim=1)  # a user's function never sees padding
