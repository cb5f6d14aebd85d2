"""Hold the encoders of this process, keyed by (config, device), so that a Python worker loads BERT once."""

from __future__ import annotations

import threading

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.device import pick_device
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import load_model
from bert_spark.errors import FingerprintError

_MAX_PER_DEVICE = 2  # a notebook that compares two settings does not load the models again and again
_encoders: dict[tuple[EncoderConfig, str], BertEncoder] = {}  # least recently used first
_lock = threading.Lock()
_loads = 0


def get_encoder(config: EncoderConfig, device: str | None = None, fingerprint: str | None = None) -> BertEncoder:
    """Return the encoder of `config` on this process's device. The first call loads it.

    If an executor has several GPUs, Spark can run tasks of different GPUs in one worker process in turn. The process
    keeps an encoder on each GPU: each has its own memory, and loading again costs seconds.

    Parameters
    ----------
    config
        The settings.
    device
        The device; by default the one of this process.
    fingerprint
        Of the encoder that is expected; None if any will do. A kept encoder of another fingerprint is loaded again: the
        files of its model have changed.

    Raises
    ------
    FingerprintError
        If the model here is another one than expected.
    """
    global _loads
    device = device or pick_device(config.device)
    with _lock:
        encoder = _encoders.pop((config, device), None)
        if encoder is not None and not _is_expected(encoder, fingerprint):
            encoder = None
        if encoder is None:
            on_device = [key for key in _encoders if key[1] == device]
            for key in on_device[: max(0, len(on_device) - _MAX_PER_DEVICE + 1)]:
                del _encoders[key]
            encoder = BertEncoder(load_model(config, device), config)
            _loads += 1
            if not _is_expected(encoder, fingerprint):
                raise FingerprintError(
                    f"model {config.model!r} is encoder {encoder.fingerprint[:12]} here, {str(fingerprint)[:12]} where "
                    "the job was started; give every machine the same files of the model, or set --revision"
                )
        _encoders[(config, device)] = encoder
        return encoder


def _is_expected(encoder: BertEncoder, fingerprint: str | None) -> bool:
    return fingerprint is None or encoder.fingerprint == fingerprint


def model_loads() -> int:
    """Return how many times this process has loaded a model."""
    return _loads


def clear_encoders() -> None:
    """Drop every encoder."""
    with _lock:
        _encoders.clear()
