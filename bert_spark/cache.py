"""The one encoder cache of a process, keyed by (config, device), so that a Python worker loads BERT once."""

from __future__ import annotations

import threading

from bert_spark.config import EncoderConfig
from bert_spark.encoder import BertEncoder
from bert_spark.gpu import pick_device
from bert_spark.model import load

_KEEP = 2  # settings whose encoders stay at once: a notebook that compares two does not load again and again
_encoders: dict[tuple[EncoderConfig, str], BertEncoder] = {}
_lock = threading.Lock()
_loads = 0


def get_encoder(config: EncoderConfig, device: str | None = None) -> BertEncoder:
    """Return the encoder of `config` on this process's device, loaded at the first call.

    Spark can hand one worker process tasks of different GPUs in turn: on a change of device old encoders are dropped.
    """
    global _loads
    device = device or pick_device(config.device)
    with _lock:
        encoder = _encoders.pop((config, device), None)
        if encoder is None:
            for key in [key for key in _encoders if key[1] != device]:
                del _encoders[key]
            while len(_encoders) >= _KEEP:
                del _encoders[next(iter(_encoders))]
            encoder = BertEncoder(load(config, device), config)
            _loads += 1
        _encoders[(config, device)] = encoder
        return encoder


def loads() -> int:
    """Return how many times this process has loaded a model."""
    return _loads


def clear() -> None:
    """Drop every encoder."""
    with _lock:
        _encoders.clear()
