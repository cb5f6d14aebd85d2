"""Vectors of real models equal transformers' own forward pass of each text alone."""

import resource
import time

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.live_model import from_live_objects
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ModelError
from tests.support import tiny_models, transformers_oracle

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


WITHOUT_LONE_SURROGATES = [text.replace("\ud83d", "\ufffd") for text in TEXTS]


@pytest.mark.parametrize("token_budget", [1, 100, 2048])
def test_bert_equals_transformers(tiny_bert, transformers_cls, token_budget):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", token_budget=token_budget))
    expected = transformers_cls(tiny_bert, WITHOUT_LONE_SURROGATES)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module", params=tiny_models.ARCHITECTURES)
def architecture(request, tmp_path_factory):
    return tiny_models.ARCHITECTURES[request.param](tmp_path_factory.mktemp("models") / request.param)


def test_other_architectures_equal_transformers_up_to_their_last_position(architecture, transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(architecture), device="cpu", max_length=512))
    assert encoder.max_length == 32
    expected = transformers_cls(architecture, WITHOUT_LONE_SURROGATES, max_length=32)
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
    expected = np.stack([pool(transformers_states(tiny_bert, text, 60)) for text in WITHOUT_LONE_SURROGATES])
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


def test_pooler_equals_transformers(tiny_bert):
    expected = transformers_oracle.output_of_text(tiny_bert, "hello my world").pooler_output.numpy()
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling="pooler"))
    vectors = encoder.encode(["hello my world", "a longer text than that one is"])
    np.testing.assert_allclose(vectors[:1], expected, rtol=0, atol=1e-5)


def test_pooler_of_an_architecture_without_one_is_refused(tmp_path):
    folder = tiny_models.distilbert(tmp_path / "distilbert")
    with pytest.raises(ModelError, match="'pooler' needs a model with a pooled output; this one has none"):
        BertEncoder.from_config(EncoderConfig(model=str(folder), device="cpu", pooling="pooler"))


def test_windows_equal_the_mean_of_transformers_vectors(tiny_bert):
    pieces = [["hello", "my", "good", "world"], ["today", "and", "no", "##w"], ["you", "work"]]
    text = "hello my good world today and now you work"
    tokenizer, _ = transformers_oracle.load(tiny_bert)
    assert tokenizer.tokenize(text) == [token for piece in pieces for token in piece]
    vectors = [transformers_oracle.cls_vector_of_tokens(tiny_bert, piece) for piece in pieces]
    config = EncoderConfig(model=str(tiny_bert), device="cpu", max_length=6, long_text="windows")
    vector = BertEncoder.from_config(config).encode([text])[0]
    np.testing.assert_allclose(vector, np.mean(vectors, axis=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_padding_does_not_change_short_rows_in_half_precision(tiny_bert, precision, tolerance, pooling):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", precision=precision, pooling=pooling)
    encoder = BertEncoder.from_config(config)
    short = ["hello", "", "happy world"]
    alone = np.concatenate([encoder.encode([text]) for text in short])
    padded = encoder.encode([*short, "work " * 58])[:3]
    np.testing.assert_allclose(padded, alone, rtol=0, atol=tolerance)
    exact = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling)).encode(short)
    cosine = (padded * exact).sum(1) / np.linalg.norm(padded, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosine.min() > 0.999


def test_the_same_text_gets_the_same_vector_twice(tiny_bert):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    assert np.array_equal(encoder.encode(["hello world"]), encoder.encode(["hello world"]))


def test_a_live_model_in_train_mode_runs_in_eval_mode(tiny_bert, transformers_cls):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).train(), AutoTokenizer.from_pretrained(str(tiny_bert))
    vectors = BertEncoder(from_live_objects(tokenizer, model), EncoderConfig()).encode(["hello world"])
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, ["hello world"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_a_live_model_of_another_dtype_gives_float32_vectors(tiny_bert, transformers_cls, dtype):
    model = AutoModel.from_pretrained(str(tiny_bert), dtype=dtype)
    encoder = BertEncoder(from_live_objects(AutoTokenizer.from_pretrained(str(tiny_bert)), model), EncoderConfig())
    vectors = encoder.encode(["hello world"])
    assert vectors.dtype == np.float32
    tolerance = 1e-5 if dtype is torch.float64 else 0.05
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, ["hello world"]), rtol=0, atol=tolerance)


def test_all_unknown_emoji_share_a_vector_and_are_counted_as_unknown(tiny_bert):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    encoded = encoder.encode_rows(["😀 😀 😀", "😢 😢 😢", "happy"])
    np.testing.assert_allclose(encoded.vectors[0], encoded.vectors[1], rtol=0, atol=1e-5)
    assert encoded.unknown_share.tolist() == [1.0, 1.0, 0.0]
    assert encoded.reused.tolist() == [False, False, False]


def test_a_text_of_ten_megabytes_takes_bounded_memory_and_time(tiny_bert, transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    text = "hello my world " * 700_000
    encoder.encode([text[:1_000_000]])
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    encoded = encoder.encode_rows(["hi", text])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400  # MB
    assert time.process_time() - start < 600  # hours if the time grew with the square of the length
    assert encoded.token_count.tolist() == [3, 2_100_002]
    expected = transformers_cls(tiny_bert, ["hi", text[:1000]])
    np.testing.assert_allclose(encoded.vectors, expected, rtol=0, atol=1e-5)


@pytest.mark.packaged
def test_minilm_equals_transformers(transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(device="cpu"))
    expected = transformers_cls(resolve_model("packaged:minilm-l6"), WITHOUT_LONE_SURROGATES)
    assert expected.shape == (9, 384)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)
