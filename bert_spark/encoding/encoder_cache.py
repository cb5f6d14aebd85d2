"""The one encoder cache of a process, keyed by (config, device). A Python worker loads BERT once."""

from __future__ import annotations

import threading

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.device import pick_device
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import load_model

_KEEP = 2  # settings whose encoders stay on one device: a notebook that compares two does not load again and again
_encoders: dict[tuple[EncoderConfig, str], BertEncoder] = {}
_lock = threading.Lock()
_loads = 0


def get_encoder(config: EncoderConfig, device: str | None = None) -> BertEncoder:
    """Return the encoder of `config` on this process's device, loaded at the first call.

    Spark can hand one worker process tasks of different GPUs in turn, where an executor has several: the process keeps
    an encoder on each, since another card's memory is not this one's and loading again costs seconds.
    """
    global _loads
    device = device or pick_device(config.device)
    with _lock:
        encoder = _encoders.pop((config, device), None)
        if encoder is None:
            beside = [key for key in _encoders if key[1] == device]
            for key in beside[: max(0, len(beside) - _KEEP + 1)]:
                del _encoders[key]
            encoder = BertEncoder(load_model(config, device), config)
            _loads += 1
        _encoders[(config, device)] = encoder
        return encoder


def model_loads() -> int:
    """Return how many times this process has loaded a model."""
    return _loads


def clear_encoders() -> None:
    """Drop every encoder."""
    with _lock:
        _encoders.clear()
