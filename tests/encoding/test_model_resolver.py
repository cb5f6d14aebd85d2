"""A model's name is resolved to a folder of checked safetensors. All other weights are refused."""

import json
import shutil
import sys

import pytest

from bert_spark.encoding import model_resolver
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import weight_files
from bert_spark.encoding.model_loader import load_model
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ModelError
from tests.support import tiny_models


def test_a_folder_without_config_json_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json in .*; expected a folder written by save_pretrained"):
        resolve_model(str(tmp_path))


def test_bin_weights_are_refused(model_copy):
    (model_copy / "model.safetensors").rename(model_copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"\['pytorch_model\.bin'\], no safetensors.*convert it once.*save_pretrained"):
        resolve_model(str(model_copy))


def test_a_folder_without_weights_is_refused(model_copy):
    (model_copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has no weights, no safetensors"):
        tiny_models.load_cpu(model_copy)


def test_a_bin_file_beside_the_weights_is_ignored(model_copy):
    (model_copy / "pytorch_model.bin").write_bytes(b"not a pickle")
    assert tiny_models.load_cpu(model_copy).hidden == 32


def test_an_unknown_name_is_refused_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = r"'nobody/nothing' \(revision v1\) not found: no such folder here, not in the hub's cache"
    with pytest.raises(ModelError, match=message):
        resolve_model("nobody/nothing", "v1")


def test_a_missing_folder_is_not_a_name_on_the_hub():
    with pytest.raises(ModelError, match=r"'/no/such/folder/here' is neither a folder here nor a name on the hub"):
        resolve_model("/no/such/folder/here")


def test_home_is_expanded(tiny_bert, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_bert.parent))
    assert resolve_model("~/tiny_bert") == tiny_bert


def test_weights_under_another_name_are_refused(model_copy):
    """The fingerprint would be of other bytes than those that transformers loads."""
    config = json.loads((model_copy / "config.json").read_text())
    (model_copy / "config.json").write_text(json.dumps(config | {"transformers_weights": "other.safetensors"}))
    with pytest.raises(ModelError, match=r"transformers_weights='other\.safetensors'"):
        resolve_model(str(model_copy))


def test_a_home_that_cannot_be_written_is_tolerated(tiny_bert, run_forked):
    code = f"""
from bert_spark import BertEncoder, EncoderConfig
print(BertEncoder.from_config(EncoderConfig(model={str(tiny_bert)!r})).encode(["hi"]).shape)
"""
    nowhere = "/proc/nowhere"  # not even root can create it
    assert run_forked(code, HOME=nowhere, HF_HOME=nowhere).endswith("(1, 32)")


def test_an_unknown_packaged_model_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"'packaged:bert' is not packaged; known are \['packaged:minilm-l6'\]"):
        resolve_model("packaged:bert")


def test_a_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setitem(model_resolver.PACKAGED, "packaged:x", ("no-such-package-here", "model", "0" * 64))
    with pytest.raises(ModelError, match=r"needs the package no-such-package-here: pip install 'bert-spark\[minilm\]'"):
        resolve_model("packaged:x")


@pytest.fixture
def package(tmp_path, monkeypatch, tiny_bert):
    """Create an importable package that holds the tiny model, and return the model's folder."""
    shutil.copytree(tiny_bert, tmp_path / "own_model" / "model")
    (tmp_path / "own_model" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "own_model" / "model"
    sys.modules.pop("own_model", None)


def test_a_packaged_model_with_other_weights_is_refused(package, monkeypatch):
    monkeypatch.setitem(model_resolver.PACKAGED, "packaged:own", ("own-model", "model", "0" * 64))
    with pytest.raises(
        ModelError, match=r"model\.safetensors has sha256 [0-9a-f]{64}, expected 0{64}; reinstall own-model"
    ):
        resolve_model("packaged:own")


def test_a_packaged_model_without_weights_is_refused(package, monkeypatch):
    (package / "model.safetensors").unlink()
    monkeypatch.setitem(model_resolver.PACKAGED, "packaged:own", ("own-model", "model", "0" * 64))
    with pytest.raises(ModelError, match=r"can't be loaded \(FileNotFoundError"):
        resolve_model("packaged:own")


@pytest.mark.packaged
def test_the_packaged_minilm_is_the_published_one():
    folder = resolve_model("packaged:minilm-l6")
    assert [path.name for path in weight_files(folder)] == ["model.safetensors"]
    loaded = load_model(EncoderConfig(), "cpu")
    assert (loaded.hidden, loaded.positions, len(loaded.tokenizer)) == (384, 512, 30522)
