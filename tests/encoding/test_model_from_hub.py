"""A model on the hub is fetched by the hub's own client, here from a server on this machine."""

import os

import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from tests.support.fake_hub import COMMIT, hub
from tests.support.forked_python import ForkedPython
from tests.support.model_recipes import dense, write_recipe

NAME = "someone/tiny-bert"
# The code that each worker of an executor runs on its first task.
LOAD = f"""
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
print(BertEncoder.from_config(EncoderConfig(model={NAME!r}, device="cpu")).fingerprint)
"""


@pytest.fixture
def fake_hub(tiny_bert):
    """Serve the tiny model. Return the hub's address and the growing list of fetched files."""
    with hub(tiny_bert, NAME) as (address, fetched):
        yield address, fetched


@pytest.fixture
def load_at_once(tmp_path_factory):
    """Return a function that loads the model in several processes at once and returns the set of their outputs."""

    def load(processes, home, **variables):
        environment = os.environ | {"HF_HOME": str(home), "PYTHONWARNINGS": "ignore"} | variables
        started = [ForkedPython(LOAD, environment, tmp_path_factory.mktemp("worker")) for _ in range(processes)]
        return {process.printed() for process in started}

    return load


def expected(tiny_bert):
    return {config_fingerprint(EncoderConfig(model=str(tiny_bert), device="cpu"))}


def test_workers_that_start_together_on_an_empty_cache_all_get_the_model(fake_hub, load_at_once, tiny_bert, tmp_path):
    address, fetched = fake_hub
    assert load_at_once(8, tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0") == expected(tiny_bert)
    assert "model.safetensors" in fetched


def test_a_staged_cache_is_only_read(fake_hub, load_at_once, tiny_bert, tmp_path):
    """Locks on NFS may not exclude each other. Offline workers need no lock on a staged cache, and do not change it."""
    load_at_once(1, tmp_path, HF_ENDPOINT=fake_hub[0], HF_HUB_OFFLINE="0")
    staged = modification_times(tmp_path)
    fake_hub[1].clear()
    assert load_at_once(4, tmp_path, HF_HUB_OFFLINE="1") == expected(tiny_bert)
    assert modification_times(tmp_path) == staged
    assert fake_hub[1] == []


def modification_times(folder):
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_a_staged_folder_is_only_read(tiny_bert, run_forked):
    before = modification_times(tiny_bert)
    run_forked(LOAD.replace(NAME, str(tiny_bert)))
    assert modification_times(tiny_bert) == before


def test_the_files_of_the_models_own_recipe_are_fetched(tmp_path, run_forked):
    folder = write_recipe(tmp_path / "model", after=[dense(32, 8)])
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    code = LOAD.replace('device="cpu"', 'device="cpu", pooling="model"')
    with hub(folder, NAME) as (address, fetched):
        printed = run_forked(code, HF_ENDPOINT=address, HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path / "home"))
    assert printed == config_fingerprint(EncoderConfig(model=str(folder), pooling="model"))
    inner = {file for file in fetched if "/" in file}
    assert inner == {"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"}
    assert run_forked(code, HF_HOME=str(tmp_path / "home")) == printed  # offline, from the cache


@pytest.mark.parametrize(("revision", "exists"), [(COMMIT, True), ("0" * 40, False)])
def test_the_revision_is_requested(fake_hub, tiny_bert, tmp_path, run_forked, revision, exists):
    code = f"""
from bert_spark.errors import ModelError
from bert_spark.encoding.model_resolver import resolve_model
try:
    print(resolve_model({NAME!r}, {revision!r}).name)
except ModelError as err:
    print(err)
"""
    printed = run_forked(code, HF_ENDPOINT=fake_hub[0], HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path))
    assert printed.startswith(COMMIT if exists else f"model {NAME!r} (revision {revision}) not found")
