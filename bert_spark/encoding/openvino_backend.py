"""Run a BERT or RoBERTa model that OpenVINO compiles for the CPU. Knows nothing of texts and batches."""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

import torch

from bert_spark.encoding.batching import EmbedBatch
from bert_spark.encoding.bert_forward import bert_forward_for, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.pooling import TokenPooling
from bert_spark.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from bert_spark.encoding.model_loader import LoadedModel

logger = logging.getLogger(__name__)


class _PooledForward(torch.nn.Module):
    """Forward pass and pooling as one module, for OpenVINO to convert."""

    def __init__(self, model: Any, pooling: TokenPooling) -> None:
        super().__init__()
        self.forward_pass = bert_forward_for(model, pooling)
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
        If the model is not of BERT_FAMILY.
    """
    try:
        import openvino
    except ImportError as err:
        raise SetupError("engine='openvino' needs its package: pip install 'bert-spark[openvino]'") from err
    if loaded.device != "cpu":
        raise SetupError(
            f"engine='openvino' runs on CPUs, the device is {loaded.device}; set device='cpu' or engine='torch'"
        )
    if not is_bert_family(loaded.model):
        kind = type(loaded.model).__name__
        raise ConfigError(f"engine='openvino' takes BERT and RoBERTa models, got a {kind}; set engine='torch'")
    started = time.monotonic()
    example = torch.ones(2, 4, dtype=torch.int64)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # OpenVINO traces with torch.jit, which torch has deprecated
        model = openvino.convert_model(_PooledForward(loaded.model, pooling), example_input=(example, example))
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

    return embed_batch
