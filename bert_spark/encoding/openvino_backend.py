"""Run a model that OpenVINO compiles for the CPU. Knows nothing of texts and batches.

BERT and RoBERTa models are known to convert well. Any other model is compared with torch, and refused if it differs.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch

from bert_spark.encoding.batching import EmbedBatch
from bert_spark.encoding.bert_forward import BertForward, bert_forward_for, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_loader import LIVE
from bert_spark.encoding.openvino_int8 import Ranges, quantise_first_layers, read_ranges
from bert_spark.encoding.own_forward import OwnForward
from bert_spark.encoding.pooling import TokenPooling
from bert_spark.encoding.precision import check_int8_products
from bert_spark.encoding.torch_backend import torch_embed_batch
from bert_spark.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from bert_spark.encoding.model_loader import LoadedModel

logger = logging.getLogger(__name__)

_TOLERANCE = {"float32": 1e-5, "bfloat16": 0.05}  # largest difference to float32 in torch, of the largest number


class _Part(torch.nn.Module):
    """A part of the forward pass, for OpenVINO to convert: (ids or states, mask) -> states or vectors.

    Parameters
    ----------
    model
        The module whose weights `function` reads.
    function
        What is computed.
    precision
        Its precision.
    ranges
        With precision "int8", the ranges of the linear layers' inputs. `function` is then `BertForward.first_layers`.
    """

    def __init__(
        self, model: torch.nn.Module, function: EmbedBatch, precision: str, ranges: Ranges | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.function = function
        self.precision = precision
        self.ranges = ranges

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.function(states, attention_mask)


def openvino_embed_batch(loaded: LoadedModel, config: EncoderConfig, pooling: TokenPooling) -> EmbedBatch:
    """Compile the model and return the function that embeds a batch with it.

    Raises
    ------
    SetupError
        If OpenVINO is not installed, or the device is not the CPU.
    ConfigError
        If OpenVINO can't convert the model, or its vectors differ from those of torch.
    """
    try:
        import openvino  # noqa: F401
    except ImportError as err:
        raise SetupError("engine='openvino' needs its package: pip install 'bert-spark[openvino]'") from err
    if loaded.device != "cpu":
        raise SetupError(
            f"engine='openvino' runs on CPUs, the device is {loaded.device}; set device='cpu' or engine='torch'"
        )
    started = time.monotonic()
    requests = _compile(_parts(loaded, config, pooling), type(loaded.model).__name__)
    logger.info("OpenVINO compiled the model in %.1f s", time.monotonic() - started)

    def embed_batch(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = ids.numpy()
        for request in requests:
            states = request.infer({0: states, 1: mask.numpy()}, share_inputs=True)[0]
        return torch.from_numpy(states)

    if not is_bert_family(loaded.model):
        _check_against_torch(embed_batch, loaded, config, pooling)
    return embed_batch


def _parts(loaded: LoadedModel, config: EncoderConfig, pooling: TokenPooling) -> list[_Part]:
    """Return the parts of the forward pass in the order in which they run. The last one pools."""
    model, pool, precision = loaded.model, pooling.function(), config.precision
    ranges = _int8_ranges(loaded, config) if precision == "int8" else None
    if not is_bert_family(model):
        own = OwnForward(model, loaded.types)
        return [_Part(model, lambda ids, mask: pool(own(ids, mask), mask), precision)]
    bert = bert_forward_for(model, pooling)
    if precision == "float32" or (precision == "bfloat16" and not pooling.reads_first_token_only):
        return [_Part(bert, lambda ids, mask: pool(bert(ids, mask), mask), precision)]
    # the last layer in float32: half as many predicted labels differ. With CLS and bfloat16 it costs 3 % of the time
    return [
        _Part(bert, bert.first_layers, precision, ranges),
        _Part(bert, lambda states, mask: pool(bert.last_layer(states, mask), mask), "float32"),
    ]


def _int8_ranges(loaded: LoadedModel, config: EncoderConfig) -> Ranges:
    """Return the ranges of a calibrated model.

    Raises
    ------
    ConfigError
        If the model is not calibrated, was passed by a user as an object, or is no BERT.
    SetupError
        If the processor lacks instructions for 8-bit products. Without them OpenVINO's products overflow.
    """
    if not is_bert_family(loaded.model):
        kind = type(loaded.model).__name__
        raise ConfigError(f"precision='int8' is for BERT and RoBERTa models, not for a {kind}; set another precision")
    if loaded.digest == LIVE:
        raise ConfigError(
            "precision='int8' needs a calibrated folder, got a live model; save it, calibrate the folder with "
            "bert_spark.calibrate, and pass the copy's name"
        )
    check_int8_products()
    return read_ranges(config, loaded.model)


def _compile(parts: Sequence[_Part], kind: str) -> list[Any]:
    """Return a request of OpenVINO for each part. `kind` is the kind of model, for messages."""
    import openvino

    core, requests = openvino.Core(), []
    mask = torch.ones(2, 4, dtype=torch.int64)
    states = mask  # to the first part, ids
    for part in parts:
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if part.precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # with pinning, the threads of several workers on one machine would all run on its first cores
            "ENABLE_CPU_PINNING": False,
        }
        try:
            with torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # OpenVINO traces with torch.jit, which torch has deprecated
                converted = openvino.convert_model(part, example_input=(states, mask))
                states = part(states, mask)
        except Exception as err:  # tracing runs the model's own code, which may raise anything
            raise ConfigError(
                f"engine='openvino' can't convert a {kind} ({type(err).__name__}); set engine='torch'"
            ) from err
        if part.ranges is not None:
            quantise_first_layers(converted, cast(BertForward, part.model), part.ranges)
        requests.append(core.compile_model(converted, "CPU", options).create_infer_request())
    return requests


def _check_against_torch(
    embed_batch: EmbedBatch, loaded: LoadedModel, config: EncoderConfig, pooling: TokenPooling
) -> None:
    """Raise ConfigError if a batch with padding, or one of another shape, gives other vectors than torch."""
    expected_of = torch_embed_batch(loaded, dataclasses.replace(config, engine="torch", precision="float32"), pooling)
    tolerance = _TOLERANCE[config.precision]
    for lengths in ((3, 9), (5, 5, 2), (16,)):
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
        ids = mask * (2 + torch.arange(mask.numel()).reshape(mask.shape) % 50)
        expected = expected_of(ids, mask).float()
        try:
            worst = float((embed_batch(ids, mask) - expected).abs().max() / expected.abs().max())
        except RuntimeError:  # the shapes of the example are in the converted model
            worst = math.inf
        if not worst <= tolerance:
            kind = type(loaded.model).__name__
            raise ConfigError(
                f"engine='openvino' gives other vectors than torch for a {kind} (by {worst:.0e} of their size); set "
                "engine='torch'"
            )
