"""What runs a model: torch, or OpenVINO as an optional compiled engine for CPUs. One function from ids and mask to
vectors, whichever it is. Knows nothing of texts and batches."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from bert_spark.config import EncoderConfig
from bert_spark.errors import ConfigError, SetupError
from bert_spark.lastlayer import FamilyForward, in_family
from bert_spark.pooling import by_name, parts_of

if TYPE_CHECKING:
    from bert_spark.model import LoadedModel

logger = logging.getLogger(__name__)

# (input ids, attention mask), int64, (batch, tokens), on the device -> vectors, (batch, width), there too
Vectors = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def vectors_of(loaded: LoadedModel, config: EncoderConfig) -> Vectors:
    """Return the function that `config` asks for: ids and mask to vectors, any dtype.

    Raises
    ------
    SetupError
        When OpenVINO is not installed, or asked for on a GPU.
    ConfigError
        When OpenVINO is asked for an architecture that it is not given here.
    """
    if config.engine == "openvino":
        return _openvino(loaded, config)
    return torch_vectors_of(loaded, config)


def torch_vectors_of(loaded: LoadedModel, config: EncoderConfig) -> Vectors:
    """Return the function that runs on torch, in the precision of `config`."""
    parts = set(parts_of(config.pooling))
    if config.embedding_func is None and parts <= {"cls", "pooler"} and in_family(loaded.model):
        states: Any = FamilyForward(loaded.model, first_only=True, pooled="pooler" in parts)
    else:
        states = loaded.model
    pool = by_name(config.pooling)
    function = config.embedding_func

    def vectors(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), arithmetic(loaded.device, config.precision):
            output = states(input_ids=ids, attention_mask=mask)
            result: torch.Tensor = pool(output, mask) if function is None else function(output)
        return result

    return vectors


def arithmetic(device: str, precision: str) -> contextlib.AbstractContextManager[None]:
    """Return the context in which torch computes in `precision` over float32 weights."""
    # autocast over float32 weights is nearer to float32 than half-precision weights, and no slower on CPUs
    half = precision != "float32"
    return torch.autocast(torch.device(device).type, dtype=getattr(torch, precision), enabled=half)


class _Pooled(torch.nn.Module):
    """Forward pass and pooling as one module, for OpenVINO to convert."""

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        parts = set(parts_of(pooling))
        self.states = FamilyForward(model, first_only=parts <= {"cls", "pooler"}, pooled="pooler" in parts)
        self.pool = by_name(pooling)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.pool(self.states(input_ids, attention_mask), attention_mask)


def _openvino(loaded: LoadedModel, config: EncoderConfig) -> Vectors:
    try:
        import openvino
    except ImportError as err:
        raise SetupError("engine='openvino' needs its package: pip install 'bert-spark[openvino]'") from err
    if loaded.device != "cpu":
        raise SetupError(f"engine='openvino' runs on CPUs, the device is {loaded.device}; set device='cpu' or engine")
    if not in_family(loaded.model):
        kind = type(loaded.model).__name__
        raise ConfigError(f"engine='openvino' takes BERT and RoBERTa models, got a {kind}; set engine='torch'")
    started = time.monotonic()
    example = torch.ones(2, 4, dtype=torch.int64)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces with torch.jit, which torch calls deprecated
        model = openvino.convert_model(_Pooled(loaded.model, config.pooling), example_input=(example, example))
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[config.precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # pinned threads of several workers on one machine would all sit on its first cores
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    logger.info("OpenVINO compiled the model in %.1f s", time.monotonic() - started)

    def vectors(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        results = request.infer({0: ids.numpy(), 1: mask.numpy()}, share_inputs=True)
        return torch.from_numpy(results[0])

    return vectors
