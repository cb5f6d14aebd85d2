"""Running the last layer for the CLS row alone changes no vector; models it is not for take their own forward pass."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModel, BertConfig, BertModel

from bert_spark.encoding import bert_forward
from bert_spark.encoding.bert_forward import BertForward, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import load_model
from bert_spark.encoding.torch_backend import torch_embed_batch, with_half_weights
from tests.support import tiny_models

IDS = torch.tensor([[2, 40, 41, 42, 43, 3], [2, 50, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]])
MASK = (IDS != 0).long()


@pytest.fixture(scope="module")
def bert(tiny_bert):
    return AutoModel.from_pretrained(str(tiny_bert), dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    folder = tiny_models.roberta(tmp_path_factory.mktemp("models") / "roberta")
    return AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()


def own(model, ids, mask):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask)


def rows_of_layers(forward):
    """Return how many token rows each layer's last part was given."""
    seen = []
    for layer in forward.layers:
        layer.output.LayerNorm.register_forward_hook(lambda module, given, out: seen.append(given[0].shape[1]))
    with torch.no_grad():
        forward(IDS, MASK)
    return seen


def test_the_cls_state_is_the_models_own_beside_padding(bert):
    with torch.no_grad():
        states, pooled = BertForward(bert, first_only=True, pooled=True)(IDS, MASK)
    assert states.shape == (3, 1, 32)
    torch.testing.assert_close(states[:, 0], own(bert, IDS, MASK)[0][:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(pooled, own(bert, IDS, MASK).pooler_output, rtol=0, atol=1e-5)


def test_roberta_counts_its_own_positions(roberta):
    """Its padding has the id 1 and its positions start behind that."""
    ids = torch.tensor([[0, 40, 41, 42, 2], [0, 50, 2, 1, 1]])
    with torch.no_grad():
        states = BertForward(roberta, first_only=True)(ids, (ids != 1).long())[0]
    torch.testing.assert_close(states[:, 0], own(roberta, ids, (ids != 1).long())[0][:, 0], rtol=0, atol=1e-5)


def test_all_states_are_the_models_own_where_they_are_asked_for(bert):
    with torch.no_grad():
        states = BertForward(bert, first_only=False)(IDS, MASK)[0]
    real = MASK.bool()
    torch.testing.assert_close(states[real], own(bert, IDS, MASK)[0][real], rtol=0, atol=1e-5)


def test_the_last_layer_runs_for_one_row_a_text(tiny_bert):
    model = AutoModel.from_pretrained(str(tiny_bert)).eval()
    assert rows_of_layers(BertForward(model, first_only=True)) == [6, 1]


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_as_near_to_float32_as_the_models_own(bert, precision):
    with torch.no_grad():
        short = BertForward(with_half_weights(bert, precision), first_only=True)(IDS, MASK)[0][:, 0]
        with torch.autocast("cpu", dtype=precision):
            general = bert(input_ids=IDS, attention_mask=MASK)[0][:, 0].float()
    exact = own(bert, IDS, MASK)[0][:, 0]
    assert short.dtype == torch.float32
    assert 0 < (short - exact).abs().max() < 1.5 * (general - exact).abs().max() + 1e-3


def test_its_layers_are_the_models_own_tensors(bert):
    mine = {tensor.data_ptr() for tensor in BertForward(bert, first_only=True, pooled=True).parameters()}
    assert mine == {tensor.data_ptr() for tensor in bert.parameters()}


@pytest.mark.parametrize("name", ["distilbert", "electra", "mpnet"])
def test_other_architectures_are_none_of_the_family(tmp_path, name):
    assert not is_bert_family(AutoModel.from_pretrained(str(tiny_models.ARCHITECTURES[name](tmp_path / name))))


def test_a_subclass_a_decoder_and_models_that_someone_has_changed_are_none_of_the_family(bert):
    class Mine(BertModel):
        pass

    assert is_bert_family(bert)
    assert not is_bert_family(tiny_models.tiny(BertConfig, Mine))
    assert not is_bert_family(tiny_models.tiny(BertConfig, BertModel, is_decoder=True))
    adapted = tiny_models.tiny(BertConfig, BertModel)
    adapted.encoder.layer[1].output.dense = Adapter(32, 32)
    assert not is_bert_family(adapted)
    hooked = tiny_models.tiny(BertConfig, BertModel)
    hooked.encoder.layer[0].register_forward_hook(lambda *parts: None)
    assert not is_bert_family(hooked)


class Adapter(torch.nn.Linear):
    """Stands for what others put in place of a layer."""


class Waits(TorchDispatchMode):
    """Counts the operations at which a processor would wait for its card."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.is_nonzero.default, torch.ops.aten._local_scalar_dense.default):
            self.seen.append(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("pooling", ["cls", "pooler", "cls+mean", "mean", "max", "flatten"])
def test_no_pooling_makes_the_processor_wait_for_the_card(tiny_bert, pooling):
    """transformers' own forward pass looks at the mask's values."""
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling)
    loaded = load_model(config, "cpu")
    with Waits() as waits:
        torch_embed_batch(loaded, config)(IDS, MASK)
    assert waits.seen == []
    with Waits() as waits:
        own(loaded.model, IDS, MASK)
    assert waits.seen


def test_a_function_of_the_users_is_given_the_models_own_output(tiny_bert, monkeypatch):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", embedding_func=lambda output: output[0][:, 0])
    loaded = load_model(config, "cpu")
    seen = []
    forward = loaded.model.forward
    monkeypatch.setattr(loaded.model, "forward", lambda **given: seen.append(1) or forward(**given))
    torch_embed_batch(loaded, config)(IDS, MASK)
    assert seen == [1]


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_half_weights_give_the_numbers_of_autocast_over_float32_weights(request, family, precision):
    model = request.getfixturevalue(family)
    half = with_half_weights(model, precision)
    with torch.no_grad(), torch.autocast("cpu", dtype=precision):
        assert torch.equal(half(IDS, MASK)[0], model(IDS, MASK)[0])
    kinds = {type(module).__name__: module.weight.dtype for module in half.modules() if hasattr(module, "weight")}
    assert kinds == {"Embedding": torch.float32, "LayerNorm": torch.float32, "Linear": precision}
    words = [each.embeddings.word_embeddings.weight.data_ptr() for each in (half, model)]
    assert words[0] == words[1]
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


def test_what_is_to_stay_exact_shares_its_weights(bert):
    half = with_half_weights(bert, torch.bfloat16, [bert.encoder.layer[-1], None])
    first, last = ({weight.dtype for weight in layer.attention.parameters()} for layer in half.encoder.layer)
    assert (first, last) == ({torch.bfloat16, torch.float32}, {torch.float32})
    dense = [model.encoder.layer[-1].output.dense.weight.data_ptr() for model in (half, bert)]
    assert dense[0] == dense[1]


@pytest.mark.parametrize(("pooling", "exact"), [("cls", True), ("cls+pooler", True), ("mean", False)])
def test_on_a_cpu_the_last_layer_is_exact_in_half_precision_where_the_cls_state_alone_is_read(
    tiny_bert, monkeypatch, pooling, exact
):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling, precision="bfloat16")
    loaded = load_model(config, "cpu")
    seen = []
    monkeypatch.setattr(
        bert_forward, "BertForward", lambda model, **given: seen.append(model) or BertForward(model, **given)
    )
    torch_embed_batch(loaded, config)(IDS, MASK)
    first, last = (layer.output.dense.weight.dtype for layer in seen[0].encoder.layer)
    assert (first, last) == (torch.bfloat16, torch.float32 if exact else torch.bfloat16)
    assert seen[0].pooler.dense.weight.dtype == torch.float32


def test_an_encoder_gives_what_its_general_path_gives(tiny_bert):
    texts = ["hello", "", "happy happy sad " * 30, "hi my name is nicolas"]
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling="cls+mean")
    general = BertEncoder.from_config(dataclasses.replace(config, pooling="cls", embedding_func=cls_and_mean))
    np.testing.assert_allclose(BertEncoder.from_config(config).encode(texts), general.encode(texts), rtol=0, atol=1e-5)


def cls_and_mean(output):
    return torch.cat([output[0][:, 0], output[0].mean(dim=1)], dim=1)  # it never sees padding
