"""Real models against transformers' own forward pass of each text alone: families, poolings, precisions, sizes."""

import resource
import time

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.encoding.model_loader import from_live_objects
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ModelError
from tests.support import tiny_models

TEXTS = [
    "",
    " ",
    "hello",
    "hello my world",
    "hi my name is nicolas, and today is good!",
    "happy happy sad " * 30,
    "日本 café 😀 ##x [SEP] @user #tag &amp; http",
    "a\0b\u200b\ud83d x",
    "hello",
]
AS_TRANSFORMERS_TAKES_THEM = [text.replace("\ud83d", "\ufffd") for text in TEXTS]


@pytest.mark.parametrize("token_budget", [1, 100, 2048])
def test_bert_equals_transformers(tiny_bert, transformers_cls, token_budget):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", token_budget=token_budget))
    expected = transformers_cls(tiny_bert, AS_TRANSFORMERS_TAKES_THEM)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module", params=tiny_models.ARCHITECTURES)
def architecture(request, tmp_path_factory):
    return tiny_models.ARCHITECTURES[request.param](tmp_path_factory.mktemp("models") / request.param)


def test_other_architectures_equal_transformers_up_to_their_last_position(architecture, transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(architecture), device="cpu", max_length=512))
    assert encoder.max_length == 32
    expected = transformers_cls(architecture, AS_TRANSFORMERS_TAKES_THEM, max_length=32)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)
    assert encoder.encode_rows(TEXTS).token_count.max() > 32


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("mean", lambda s: s.mean(0)),
        ("max", lambda s: s.max(0)),
        ("flatten", lambda s: np.pad(s, ((0, 60 - len(s)), (0, 0))).ravel()),
    ],
)
def test_other_poolings_equal_transformers(tiny_bert, transformers_states, pooling, pool):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling))
    expected = np.stack([pool(transformers_states(tiny_bert, text, 60)) for text in AS_TRANSFORMERS_TAKES_THEM])
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


def test_pooler_equals_transformers(tiny_bert):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).eval(), AutoTokenizer.from_pretrained(str(tiny_bert))
    with torch.no_grad():
        expected = model(**tokenizer("hello my world", return_tensors="pt")).pooler_output.numpy()
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling="pooler"))
    vectors = encoder.encode(["hello my world", "a longer text than that one is"])
    np.testing.assert_allclose(vectors[:1], expected, rtol=0, atol=1e-5)


def test_pooler_of_an_architecture_without_one_is_refused(tmp_path):
    folder = tiny_models.distilbert(tmp_path / "distilbert")
    with pytest.raises(ModelError, match="'pooler' needs a model with a pooled output; this one has none"):
        BertEncoder.from_config(EncoderConfig(model=str(folder), device="cpu", pooling="pooler"))


def test_windows_equal_the_mean_of_transformers_vectors_of_the_pieces(tiny_bert):
    pieces = [["hello", "my", "good", "world"], ["today", "and", "no", "##w"], ["you", "work"]]
    text = "hello my good world today and now you work"
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).eval(), AutoTokenizer.from_pretrained(str(tiny_bert))
    assert tokenizer.tokenize(text) == [token for piece in pieces for token in piece]
    vectors = []
    for piece in pieces:
        with torch.no_grad():
            output = model(torch.tensor([[2, *tokenizer.convert_tokens_to_ids(piece), 3]]))
        vectors.append(output.last_hidden_state[0, 0].numpy())
    config = EncoderConfig(model=str(tiny_bert), device="cpu", max_length=6, long_text="windows")
    vector = BertEncoder.from_config(config).encode([text])[0]
    np.testing.assert_allclose(vector, np.mean(vectors, axis=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_short_rows_beside_long_ones_are_the_same_in_half_precision(tiny_bert, precision, tolerance, pooling):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", precision=precision, pooling=pooling)
    encoder = BertEncoder.from_config(config)
    short = ["hello", "", "happy world"]
    alone = np.concatenate([encoder.encode([text]) for text in short])
    beside = encoder.encode([*short, "work " * 58])[:3]
    np.testing.assert_allclose(beside, alone, rtol=0, atol=tolerance)
    exact = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling)).encode(short)
    cosine = (beside * exact).sum(1) / np.linalg.norm(beside, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosine.min() > 0.999


def test_the_same_text_twice_is_the_same_vector(tiny_bert):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    assert np.array_equal(encoder.encode(["hello world"]), encoder.encode(["hello world"]))


def test_a_live_model_in_train_mode_gives_one_vector(tiny_bert, transformers_cls):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).train(), AutoTokenizer.from_pretrained(str(tiny_bert))
    vectors = BertEncoder(from_live_objects(tokenizer, model), EncoderConfig()).encode(["hello world"])
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, ["hello world"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_a_live_model_of_another_type_gives_float32_vectors(tiny_bert, transformers_cls, kind):
    model = AutoModel.from_pretrained(str(tiny_bert), dtype=kind)
    encoder = BertEncoder(from_live_objects(AutoTokenizer.from_pretrained(str(tiny_bert)), model), EncoderConfig())
    vectors = encoder.encode(["hello world"])
    assert vectors.dtype == np.float32
    tolerance = 1e-5 if kind is torch.float64 else 0.05
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, ["hello world"]), rtol=0, atol=tolerance)


def test_happy_and_sad_emoji_are_one_vector_and_say_so(tiny_bert):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    encoded = encoder.encode_rows(["😀 😀 😀", "😢 😢 😢", "happy"])
    np.testing.assert_allclose(encoded.vectors[0], encoded.vectors[1], rtol=0, atol=1e-5)
    assert encoded.unknown_share.tolist() == [1.0, 1.0, 0.0]
    assert encoded.reused.tolist() == [False, False, False]


def test_a_text_of_ten_megabytes_is_one_row_in_bounded_memory(tiny_bert, transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    text = "hello my world " * 700_000
    encoder.encode([text[:1_000_000]])
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    encoded = encoder.encode_rows(["hi", text])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400  # MB
    assert time.monotonic() - start < 30
    assert encoded.token_count.tolist() == [3, 2_100_002]
    expected = transformers_cls(tiny_bert, ["hi", text[:1000]])
    np.testing.assert_allclose(encoded.vectors, expected, rtol=0, atol=1e-5)


def test_the_fingerprint_is_of_the_weights_and_settings(tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), device="cpu")
    assert BertEncoder.from_config(config).fingerprint == config_fingerprint(config)


@pytest.mark.packaged
def test_minilm_equals_transformers(transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(device="cpu"))
    expected = transformers_cls(resolve_model("packaged:minilm-l6"), AS_TRANSFORMERS_TAKES_THEM)
    assert expected.shape == (9, 384)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)
