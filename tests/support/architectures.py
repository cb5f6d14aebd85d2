"""Tiny random models of transformers' text architectures, and what transformers' own forward pass gives for a text."""

import copy
import functools
import inspect

import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoModelForTextEncoding, AutoTokenizer, BertTokenizerFast, CanineTokenizer

from tests.support import tiny_models

MAX_LENGTH = 40
TEXTS = ["hello", "", "hi my name is nicolas, and today is good!", "happy happy sad " * 8, "so good"]
_SIZES = tiny_models.SIZES | {"vocab_size": tiny_models.TOKENS, "max_position_embeddings": 64}
_GROUPS = {"num_key_value_heads": 1}  # of attention heads that share keys and values
_T5 = {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_layers": 2, "num_heads": 2}
_XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 2}
# transformers' own forward pass of this Funnel fails on an empty text
FAILING = {"Funnel": {"d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "block_sizes": [1, 1]}}
# name of the model's class without "Model" -> settings besides the common sizes
ARCHITECTURES = {
    "Albert": {"embedding_size": 16},
    "Bert": {},
    "BigBird": {"block_size": 2, "num_random_blocks": 1, "attention_type": "block_sparse"},
    "Bloom": {"n_layer": 2, "n_head": 2},
    "Camembert": {},
    "Canine": {
        "num_hash_buckets": 64,
        "num_hash_functions": 2,
        "local_transformer_stride": 4,
        "upsampling_kernel_size": 2,
        "downsampling_rate": 2,
    },
    "ConvBert": {"embedding_size": 32, "head_ratio": 1, "conv_kernel_size": 3},
    "Data2VecText": {},
    "Deberta": {},
    "DebertaV2": {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "Electra": {},
    "Ernie": {},
    "ErnieM": {},
    "Esm": {"pad_token_id": 0, "mask_token_id": 4, "position_embedding_type": "absolute"},
    "EuroBert": _GROUPS | {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3},
    "FNet": {"tpu_short_seq_length": 64, "use_tpu_fourier_optimizations": False},
    "Falcon": {"alibi": False},
    "Flaubert": _XLM,
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "GPTNeoX": {},
    "Gemma": _GROUPS | {"head_dim": 16},
    "IBert": {},
    "LayoutLM": {},
    "Llama": _GROUPS,
    "Longformer": {"attention_window": 8},
    "Luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "MPNet": {},
    "MT5Encoder": _T5,
    "MegatronBert": {},
    "Mistral": _GROUPS,
    "MobileBert": {"embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32},
    "ModernBert": {"local_attention": 8, "pad_token_id": 0},
    "Mpt": {"d_model": 32, "n_heads": 2, "n_layers": 2},
    "Mra": {},
    "Nezha": {},
    "NomicBert": {},
    "Nystromformer": {"num_landmarks": 64, "segment_means_seq_len": 64},
    "OPT": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "Phi": {},
    "Qwen3": _GROUPS | {"head_dim": 16},
    "RemBert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "RoCBert": {
        "pronunciation_vocab_size": 10,
        "shape_vocab_size": 10,
        "pronunciation_embed_dim": 8,
        "shape_embed_dim": 8,
        "enable_pronunciation": False,
        "enable_shape": False,
    },
    "RoFormer": {},
    "Roberta": {"pad_token_id": 1},
    "RobertaPreLayerNorm": {},
    "Splinter": {},
    "SqueezeBert": {
        "embedding_size": 32,
        **dict.fromkeys([f"{part}_groups" for part in ("q", "k", "v", "post_attention", "intermediate", "output")], 1),
    },
    "T5Encoder": _T5,
    "UMT5Encoder": _T5,
    "XGLM": {"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 2},
    "XLM": _XLM,
    "XLMRoberta": {},
    "XLMRobertaXL": {},
    "XLNet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
    "Xmod": {"default_language": "en_XX", "languages": ["en_XX"]},
    "Yoso": {"use_expectation": True},
}
_REFUSED_SIZES = {  # these count no positions, or their layers in blocks
    "XLNet": {"max_position_embeddings"},
    "T5Encoder": {"max_position_embeddings"},
    "MT5Encoder": {"max_position_embeddings"},
    "UMT5Encoder": {"max_position_embeddings"},
    "Funnel": {"num_hidden_layers"},
}


def classes(name):
    """Return the config and the model class of an architecture; None for what this version of transformers lacks."""
    config = getattr(transformers, f"{name.removesuffix('Encoder')}Config", None)
    return config, getattr(transformers, f"{name}Model", None)


def save(name, folder):
    """Save a tiny random model of an architecture, with a tokenizer, and return the folder."""
    config, model = classes(name)
    sizes = {key: value for key, value in _SIZES.items() if key not in _REFUSED_SIZES.get(name, ())}
    torch.manual_seed(0)
    network = model(config(**sizes | (ARCHITECTURES | FAILING)[name]))
    if name == "Canine":
        folder.mkdir(parents=True)
        CanineTokenizer().save_pretrained(str(folder))
    else:
        tiny_models.wordpiece(BertTokenizerFast, folder)
    return tiny_models.save(network, folder)


@functools.lru_cache(maxsize=2)
def _load(folder):
    kind = AutoModelForTextEncoding if folder.name.endswith("T5Encoder") else AutoModel
    model = kind.from_pretrained(str(folder), dtype=torch.float32).eval()
    return AutoTokenizer.from_pretrained(str(folder)), model


def states(folder, text):
    """Return what transformers gives for one text alone: float32, (tokens, hidden)."""
    tokenizer, model = _load(folder)
    inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=MAX_LENGTH)
    taken = inspect.signature(model.forward).parameters
    inputs = {name: value for name, value in inputs.items() if name in taken}
    if getattr(model.config, "attention_type", None):  # a BigBird changes its attention for good on a short text
        model = copy.deepcopy(model)
    with torch.no_grad():
        return model(**inputs)[0][0].numpy()


def mean_vectors(folder, texts):
    """Return the mean of each text's states: float32, (n_texts, hidden)."""
    return np.stack([states(folder, text).mean(0) for text in texts])
