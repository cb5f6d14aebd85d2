"""A model by its name on the hub: fetched by the hub's own client, here from a server on this machine."""

import os
import subprocess
import sys

import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from tests.support.fake_hub import COMMIT, hub
from tests.support.paths import ROOT

NAME = "someone/tiny-bert"
# What each worker of an executor does on its first task.
LOAD = f"""
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
print(BertEncoder.from_config(EncoderConfig(model={NAME!r}, device="cpu")).fingerprint)
"""


@pytest.fixture
def served(tiny_bert):
    with hub(tiny_bert, NAME) as (address, fetched):
        yield address, fetched


def load_at_once(processes, home, **variables):
    """Load the model in so many processes at once, over one cache; return their exit codes, and what they print."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HOME": str(home), "PYTHONWARNINGS": "ignore"} | variables
    command = [sys.executable, "-c", LOAD]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, env=environment, **pipes) for _ in range(processes)]
    printed = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0] * processes, printed[0][1][-2000:]
    return {out.strip() for out, _ in printed}


def expected(tiny_bert):
    return {config_fingerprint(EncoderConfig(model=str(tiny_bert), device="cpu"))}


def test_workers_that_start_together_on_an_empty_cache_all_get_the_model(served, tiny_bert, tmp_path):
    address, fetched = served
    assert load_at_once(8, tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0") == expected(tiny_bert)
    assert "model.safetensors" in fetched


def test_a_cache_staged_once_is_only_read_by_those_who_load_from_it(served, tiny_bert, tmp_path):
    """On NFS a lock may be given to everyone: workers offline over a staged cache need none, and leave it as it is."""
    load_at_once(1, tmp_path, HF_ENDPOINT=served[0], HF_HUB_OFFLINE="0")
    staged = stamps(tmp_path)
    served[1].clear()
    assert load_at_once(4, tmp_path, HF_HUB_OFFLINE="1") == expected(tiny_bert)
    assert stamps(tmp_path) == staged
    assert served[1] == []


def stamps(folder):
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_a_staged_folder_is_only_read(tiny_bert, run_fresh):
    before = stamps(tiny_bert)
    run_fresh(LOAD.replace(NAME, str(tiny_bert)))
    assert stamps(tiny_bert) == before


@pytest.mark.parametrize(("revision", "found"), [(COMMIT, True), ("0" * 40, False)])
def test_a_revision_is_asked_for(served, tiny_bert, tmp_path, run_fresh, revision, found):
    code = f"""
from bert_spark.errors import ModelError
from bert_spark.encoding.model_resolver import resolve_model
try:
    print(resolve_model({NAME!r}, {revision!r}).name)
except ModelError as err:
    print(err)
"""
    printed = run_fresh(code, HF_ENDPOINT=served[0], HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path))
    assert printed.startswith(COMMIT if found else f"model {NAME!r} (revision {revision}) can't be had")
