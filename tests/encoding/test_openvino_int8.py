"""8-bit integers: near to float32, the same in every batch, and refused where they can't be right."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from bert_spark import BertTransformer, calibrate, load_artefact, save_artefact
from bert_spark.encoding import calibration, openvino_int8
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.encoding.model_files import RANGES_FILE, ranges_metadata
from bert_spark.encoding.precision import has_int8_products
from bert_spark.errors import ConfigError, ModelError, SetupError
from tests.support import tiny_models
from tests.support.paths import ROOT

pytest.importorskip("openvino", reason="openvino missing: pip install 'bert-spark[openvino]'")
needs_vnni = pytest.mark.skipif(
    not has_int8_products(torch.cpu.get_capabilities()), reason="this processor has neither VNNI nor AMX"
)
WORDS = ("hello", "happy", "sad", "love", "you", "my", "name", "today", "good", "hi")
TEXTS = [" ".join(WORDS[(n * k) % len(WORDS)] for k in range(1, 2 + n % 9)) + f" {n}" for n in range(150)]
INT8 = {"engine": "openvino", "precision": "int8", "device": "cpu"}


def encode(folder, texts=TEXTS, **settings):
    return BertEncoder.from_config(EncoderConfig(model=str(folder), **{"device": "cpu", **settings})).encode(texts)


def least_cosine(one, other):
    return float(((one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)).min())


@pytest.fixture(scope="module")
def calibrated(tiny_bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8") / "model"
    calibrate(EncoderConfig(model=str(tiny_bert)), TEXTS, folder)
    return folder


@needs_vnni
@pytest.mark.parametrize("pooling", ["cls", "mean", "cls+pooler"])
def test_vectors_are_near_those_of_float32_and_not_equal(calibrated, tiny_bert, pooling):
    exact, vectors = encode(tiny_bert, pooling=pooling), encode(calibrated, pooling=pooling, **INT8)
    assert vectors.dtype == np.float32
    assert least_cosine(exact, vectors) > 0.98
    assert np.abs(exact - vectors).max() > 1e-5  # else nothing was computed with 8 bits


@needs_vnni
@pytest.mark.packaged
def test_a_vector_does_not_depend_on_its_batch(tmp_path):
    """With the real model: one number of a hundred thousand lies next to the border of two 8-bit steps."""
    tweets = pd.read_csv(ROOT / "conf" / "sample_tweets.csv")["content"].dropna().tolist()
    calibrate(EncoderConfig(), tweets[:200], tmp_path / "model")
    together, alone = (encode(tmp_path / "model", tweets, token_budget=budget, **INT8) for budget in (2048, 1))
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


@needs_vnni
def test_roberta(tmp_path):
    folder = tiny_models.roberta(tmp_path / "roberta")
    calibrate(EncoderConfig(model=str(folder), max_length=30), TEXTS, tmp_path / "int8")
    assert least_cosine(encode(folder, max_length=30), encode(tmp_path / "int8", max_length=30, **INT8)) > 0.98


@needs_vnni
def test_smoothing_helps_where_one_channel_is_far_larger_than_the_others(tiny_bert, tmp_path, monkeypatch):
    folder = tmp_path / "outlier"
    shutil.copytree(tiny_bert, folder)
    weights = load_file(folder / "model.safetensors")
    for name, factor in (("attention.output.LayerNorm.weight", 100), ("intermediate.dense.weight", 0.01)):
        (key,) = [key for key in weights if key.endswith(f"layer.0.{name}")]
        weights[key][..., 0] *= factor
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    calibrate(EncoderConfig(model=str(folder)), TEXTS, tmp_path / "int8")
    exact = encode(folder)
    smoothed = np.abs(encode(tmp_path / "int8", **INT8) - exact).mean()
    monkeypatch.setattr(
        openvino_int8, "_smoothing_factors", lambda ranges, linears: np.ones(ranges.shape[1], np.float32)
    )
    assert smoothed < np.abs(encode(tmp_path / "int8", **INT8) - exact).mean() / 2


@needs_vnni
def test_an_artefact_holds_the_ranges_of_its_bundled_model(calibrated, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(calibrated, copy)
    pipeline = make_pipeline(BertTransformer(model=str(copy), **INT8), LinearSVC()).fit(
        TEXTS, [n % 2 for n in range(150)]
    )
    save_artefact(tmp_path / "artefact", pipeline, bundle=True)
    expected = pipeline.decision_function(TEXTS)
    shutil.rmtree(copy)
    loaded = load_artefact(tmp_path / "artefact").pipeline
    np.testing.assert_allclose(loaded.decision_function(TEXTS), expected, rtol=0, atol=1e-5)


def test_a_calibrated_copy_is_another_encoder(calibrated, tiny_bert):
    settings = ({"model": str(tiny_bert)}, {"model": str(calibrated)}, {"model": str(calibrated), **INT8})
    assert len({config_fingerprint(EncoderConfig(**each)) for each in settings}) == 3


def test_a_model_that_is_not_calibrated_is_refused(tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), **INT8)
    with pytest.raises(
        ConfigError, match=r"is not calibrated; make a calibrated copy of a BERT or RoBERTa with jobs/calibrate"
    ):
        config_fingerprint(config)
    with pytest.raises((ConfigError, SetupError), match=r"is not calibrated|needs a processor"):
        BertEncoder.from_config(config)


def test_a_live_model_is_refused(calibrated):
    """Its weights may have been changed since it was loaded from the calibrated folder."""
    model, tokenizer = AutoModel.from_pretrained(calibrated), AutoTokenizer.from_pretrained(calibrated)
    transformer = BertTransformer(model=model, tokenizer=tokenizer, **INT8)
    with pytest.raises(ConfigError, match=r"needs a calibrated folder, got a live model"):
        transformer.fit_transform(["hello"])


def test_int8_with_torch_is_refused():
    with pytest.raises(ConfigError, match=r"precision='int8' runs with engine='openvino' alone"):
        EncoderConfig(precision="int8")


@needs_vnni
def test_ranges_of_another_model_are_refused(calibrated, tmp_path):
    other = tiny_models.roberta(tmp_path / "other")
    ranges = load_file(calibrated / RANGES_FILE)
    save_file(ranges | {"0.states": torch.zeros(2, 33)}, other / RANGES_FILE)
    with pytest.raises(ModelError, match="measured with other weights; calibrate the model again"):
        encode(other, max_length=30, **INT8)


@needs_vnni
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("tuned", "was measured with other weights"),
        ("wider", "was measured with another model"),
        ("nan", "holds numbers that are no ranges"),
        ("cut off", r"can't be read \("),
        ("a pointer of git-lfs", r"can't be read \("),
    ],
)
def test_ranges_that_do_not_fit_the_weights_or_are_damaged_are_refused(calibrated, tmp_path, change, reason):
    copy = tmp_path / "copy"
    shutil.copytree(calibrated, copy)
    path, ranges = copy / RANGES_FILE, load_file(copy / RANGES_FILE)
    metadata = ranges_metadata(path)
    if change == "tuned":
        weights = load_file(copy / "model.safetensors")
        save_file(
            {name: tensor * 1.5 for name, tensor in weights.items()}, copy / "model.safetensors", {"format": "pt"}
        )
    elif change == "wider":
        save_file(ranges | {"0.states": torch.zeros(2, 33)}, path, metadata)
    elif change == "nan":
        save_file(ranges | {"0.states": ranges["0.states"] * float("nan")}, path, metadata)
    elif change == "cut off":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        path.write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ModelError, match=reason):
        encode(copy, **INT8)


@needs_vnni
def test_a_model_with_the_same_weights_in_two_layers_is_refused(tmp_path):
    folder = tiny_models.save(tiny_models.tiny(BertConfig, BertModel, num_hidden_layers=3), tmp_path / "model")
    tiny_models.wordpiece(BertTokenizerFast, folder)
    weights = load_file(folder / "model.safetensors")
    same = {
        name.replace("layer.0.", "layer.1."): tensor.clone() for name, tensor in weights.items() if "layer.0." in name
    }
    save_file(weights | same, folder / "model.safetensors", {"format": "pt"})
    calibrate(EncoderConfig(model=str(folder)), TEXTS, tmp_path / "int8")
    with pytest.raises(ConfigError, match=r"have equal weights, so .* set precision='float32'"):
        encode(tmp_path / "int8", **INT8)


def test_a_processor_without_8_bit_products_is_refused(calibrated, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(SetupError, match=r"needs a processor with VNNI or AMX, that of .* has neither"):
        encode(calibrated, **INT8)


def test_a_calibration_that_fails_leaves_nothing(tiny_bert, tmp_path, monkeypatch):
    def full_disk(ranges, metadata):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(calibration, "save", full_disk)
    with pytest.raises(ConfigError, match=r"can't be written \(No space left on device\); set another folder"):
        calibrate(EncoderConfig(model=str(tiny_bert)), TEXTS, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tiny_bert, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(calibration, "measure_ranges", lambda *_: pytest.fail("worked first"))
    with pytest.raises(ConfigError, match=r"can't be written \(Not a directory\)"):
        calibrate(EncoderConfig(model=str(tiny_bert)), TEXTS, tmp_path / "file" / "new")


@pytest.mark.parametrize("kind", [pd.Series, pd.DataFrame, pa.array, lambda texts: np.array([*texts, None])[:, None]])
def test_every_column_of_texts_gives_the_ranges_of_the_list(calibrated, tiny_bert, tmp_path, kind):
    calibrate(EncoderConfig(model=str(tiny_bert)), kind(TEXTS), tmp_path / "new")
    assert (tmp_path / "new" / RANGES_FILE).read_bytes() == (calibrated / RANGES_FILE).read_bytes()


def test_the_copy_has_the_modules_and_the_license_and_no_checkpoints(tiny_bert, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(tiny_bert, source)
    modules = [{"path": "", "type": "Transformer"}, {"path": "2_Dense", "type": "Dense"}]
    (source / "modules.json").write_text(json.dumps(modules))
    files = ["2_Dense/config.json", "2_Dense/pytorch_model.bin", "LICENSE"]
    others = ["checkpoint-5/model.safetensors", "onnx/model.onnx", "pytorch_model.bin", ".git/config"]
    for name in (*files, *others):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("{}")
    for path in (source, *source.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    calibration._copy_model(source, tmp_path / "copy")
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    expected = {path.name for path in tiny_bert.iterdir()} | {"modules.json", *files}
    assert found == expected
    assert os.access(tmp_path / "copy" / "LICENSE", os.W_OK)
    assert (tmp_path / "copy" / "LICENSE").stat().st_mode & 0o200
    for path in (source, *source.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("what", ["a folder", "few texts", "equal texts", "another architecture", "one layer"])
def test_calibrate_refuses_and_leaves_nothing(tiny_bert, tmp_path, what):
    target, texts, model = tmp_path / "new", TEXTS, tiny_bert
    if what == "a folder":
        target.mkdir()
    elif what == "few texts":
        texts = TEXTS[:99]
    elif what == "equal texts":
        texts = TEXTS[:99] * 2 + ["", " "]
    elif what == "one layer":
        model = tiny_models.save(tiny_models.tiny(BertConfig, BertModel, num_hidden_layers=1), tmp_path / "one_layer")
        tiny_models.wordpiece(BertTokenizerFast, model)
    else:
        model = tiny_models.distilbert(tmp_path / "distilbert")
    before = sorted(path.name for path in tmp_path.iterdir())
    reasons = {
        "a folder": "already exists",
        "few texts": "got 99 different texts; expected 100",
        "equal texts": "got 99 different texts; expected 100",
        "one layer": "got a model of one layer",
        "another architecture": "expected a BERT or RoBERTa",
    }
    with pytest.raises(ConfigError, match=reasons[what]):
        calibrate(EncoderConfig(model=str(model)), texts, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
