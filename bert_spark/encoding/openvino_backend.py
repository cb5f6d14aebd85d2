"""Run a model that OpenVINO compiles for the CPU. Knows nothing of texts and batches.

BERT and RoBERTa models are known to convert well. Any other model is compared with torch, and refused if it differs.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
import warnings
from typing import TYPE_CHECKING, Any

import torch

from bert_spark.encoding.batching import EmbedBatch
from bert_spark.encoding.bert_forward import bert_forward_for, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.own_forward import OwnForward
from bert_spark.encoding.pooling import TokenPooling
from bert_spark.encoding.torch_backend import torch_embed_batch
from bert_spark.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from bert_spark.encoding.model_loader import LoadedModel

logger = logging.getLogger(__name__)

_TOLERANCE = {"float32": 1e-5, "bfloat16": 0.05}  # largest difference to float32 in torch, of the largest number


class _PooledForward(torch.nn.Module):
    """Forward pass and pooling as one module, for OpenVINO to convert."""

    def __init__(self, loaded: LoadedModel, pooling: TokenPooling) -> None:
        super().__init__()
        self.model = loaded.model
        own = OwnForward(loaded.model, loaded.types)
        self.forward_pass = bert_forward_for(loaded.model, pooling) if is_bert_family(loaded.model) else own
        self.pool = pooling.function()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.pool(self.forward_pass(input_ids, attention_mask), attention_mask)


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
        import openvino
    except ImportError as err:
        raise SetupError("engine='openvino' needs its package: pip install 'bert-spark[openvino]'") from err
    if loaded.device != "cpu":
        raise SetupError(
            f"engine='openvino' runs on CPUs, the device is {loaded.device}; set device='cpu' or engine='torch'"
        )
    started = time.monotonic()
    model = _convert(loaded, pooling)
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[config.precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # with pinning, the threads of several workers on one machine would all run on its first cores
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    logger.info("OpenVINO compiled the model in %.1f s", time.monotonic() - started)

    def embed_batch(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        results = request.infer({0: ids.numpy(), 1: mask.numpy()}, share_inputs=True)
        return torch.from_numpy(results[0])

    if not is_bert_family(loaded.model):
        _check_against_torch(embed_batch, loaded, config, pooling)
    return embed_batch


def _convert(loaded: LoadedModel, pooling: TokenPooling) -> Any:
    import openvino

    example = torch.ones(2, 4, dtype=torch.int64)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # OpenVINO traces with torch.jit, which torch has deprecated
            return openvino.convert_model(_PooledForward(loaded, pooling), example_input=(example, example))
    except Exception as err:  # tracing runs the model's own code, which may raise anything
        kind = type(loaded.model).__name__
        raise ConfigError(
            f"engine='openvino' can't convert a {kind} ({type(err).__name__}); set engine='torch'"
        ) from err


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
