"""Run a model with PyTorch in the precision of the settings. Knows nothing of texts and batches."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from bert_spark.encoding.batching import EmbedBatch
from bert_spark.encoding.bert_forward import BertForward, bert_forward_for, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.linear_kernels import OneDNNLinearMode, has_onednn, kernels_for
from bert_spark.encoding.own_forward import OwnForward
from bert_spark.encoding.pooling import TokenPooling

if TYPE_CHECKING:
    from bert_spark.encoding.model_loader import LoadedModel


def torch_embed_batch(loaded: LoadedModel, config: EncoderConfig, pooling: TokenPooling) -> EmbedBatch:
    """Return the function that embeds a batch with torch, in the precision of `config`."""
    model, embedding_func, device = loaded.model, config.embedding_func, loaded.device
    pool = pooling.function()
    in_precision: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    forward: Callable[..., Any]
    if embedding_func is None and is_bert_family(model):
        forward = _bert_forward(model, config, pooling, device)
    else:
        own = model if device == "cpu" else _with_weights_in(config.precision, model)
        forward = OwnForward(own, loaded.types)
        in_precision = functools.partial(precision_context, device, config.precision)

    def embed_batch(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), gpu_settings(device), in_precision():
            output = forward(input_ids=ids, attention_mask=mask)
            result: torch.Tensor = pool(output, mask) if embedding_func is None else embedding_func(output)
        return result

    return embed_batch


def _bert_forward(model: Any, config: EncoderConfig, pooling: TokenPooling, device: str) -> BertForward:
    keep_float32 = [model.pooler]
    if device == "cpu" and pooling.reads_first_token_only:
        # costs 5 % of the time; in bfloat16 a third fewer predicted labels differ from those of float32
        keep_float32.append(model.encoder.layer[-1])
    cast = _with_weights_in(config.precision, model, keep_float32)
    types = {module.weight.dtype for module in cast.modules() if isinstance(module, torch.nn.Linear)}
    return bert_forward_for(cast, pooling, kernels_for(device, *types))


def precision_context(device: str, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a model's own forward pass computes in `precision`, also over float32 weights."""
    if precision == "float32":
        return OneDNNLinearMode() if device == "cpu" and has_onednn() else contextlib.nullcontext()
    # autocast over float32 weights is nearer to float32 than half-precision weights, and no slower on CPUs
    return torch.autocast(torch.device(device).type, dtype=getattr(torch, precision))


@contextlib.contextmanager
def gpu_settings(device: str) -> Iterator[None]:
    """Compute float32 in full and use attention kernels without a plan per shape, within the context, on a GPU."""
    if not device.startswith("cuda"):
        yield
        return
    matmul = torch.backends.cuda.matmul
    before, matmul.fp32_precision = matmul.fp32_precision, "ieee"  # TF32 is off by 1e-3; some containers switch it on
    try:
        # cuDNN's attention, the default on H100, makes a plan for every (rows, tokens) in 0.4 s; batches vary in both
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
            yield
    finally:
        matmul.fp32_precision = before


def _with_weights_in(precision: str, model: Any, keep_float32: Iterable[Any] = ()) -> Any:
    return model if precision == "float32" else with_half_weights(model, getattr(torch, precision), keep_float32)


def with_half_weights(model: Any, dtype: torch.dtype, keep_float32: Iterable[Any] = ()) -> Any:
    """Return a copy of the model with its linear layers in half precision.

    All other weights are shared with `model`, and so are the weights of the modules in `keep_float32`. Under autocast
    the copy gives the same numbers as `model`, without a cast of every weight in every batch.
    """
    kept = {id(tensor) for module in keep_float32 if module is not None for tensor in module.parameters()}
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    cast = {id(tensor) for module in linear for tensor in module.parameters(recurse=False)} - kept
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers()) if id(tensor) not in cast}
    half = copy.deepcopy(model, shared)
    for module in half.modules():
        if isinstance(module, torch.nn.Linear) and id(module.weight) not in shared:
            module.to(dtype)
    return half
