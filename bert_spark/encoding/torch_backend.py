"""Run a model with PyTorch, in the precision of the settings. Knows nothing of texts and batches."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from bert_spark.encoding.batching import EmbedBatch
from bert_spark.encoding.bert_forward import BertForward, bert_forward_for, is_bert_family, reads_first_token_only
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.linear_kernels import OneDNNLinearMode, has_onednn, kernels_for
from bert_spark.encoding.pooling import pooling_function

if TYPE_CHECKING:
    from bert_spark.encoding.model_loader import LoadedModel


def torch_embed_batch(loaded: LoadedModel, config: EncoderConfig) -> EmbedBatch:
    """Return the function that runs on torch, in the precision of `config`."""
    model, function, device = loaded.model, config.embedding_func, loaded.device
    pool = pooling_function(config.pooling)
    ways: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    if function is None and is_bert_family(model):
        states = _bert_forward(model, config, device)
    else:
        states = model if device == "cpu" else _in_precision(model, config.precision)
        ways = functools.partial(precision_context, device, config.precision)

    def vectors(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), gpu_settings(device), ways():
            output = states(input_ids=ids, attention_mask=mask)
            result: torch.Tensor = pool(output, mask) if function is None else function(output)
        return result

    return vectors


def _bert_forward(model: Any, config: EncoderConfig, device: str) -> BertForward:
    exact = [model.pooler]
    if device == "cpu" and reads_first_token_only(config.pooling):
        exact.append(model.encoder.layer[-1])  # for 5 % of the time in bfloat16 a third fewer labels are other ones
    half = _in_precision(model, config.precision, exact)
    types = {module.weight.dtype for module in half.modules() if isinstance(module, torch.nn.Linear)}
    return bert_forward_for(half, config.pooling, kernels_for(device, *types))


def precision_context(device: str, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a model's own forward pass computes in `precision`, over float32 weights as well."""
    if precision == "float32":
        return OneDNNLinearMode() if device == "cpu" and has_onednn() else contextlib.nullcontext()
    # autocast over float32 weights is nearer to float32 than half-precision weights, and no slower on CPUs
    return torch.autocast(torch.device(device).type, dtype=getattr(torch, precision))


@contextlib.contextmanager
def gpu_settings(device: str) -> Iterator[None]:
    """Return the context in which a card keeps to float32 and to attention that does not prepare for every shape."""
    if not device.startswith("cuda"):
        yield
        return
    matmul = torch.backends.cuda.matmul
    before, matmul.fp32_precision = matmul.fp32_precision, "ieee"  # TF32 is off by 1e-3; containers may switch it on
    try:
        # cuDNN's, which comes first on H100, plans anew for every (rows, tokens), 0.4 s each; batches differ in both
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
            yield
    finally:
        matmul.fp32_precision = before


def _in_precision(model: Any, precision: str, exact: Iterable[Any] = ()) -> Any:
    return model if precision == "float32" else with_half_weights(model, getattr(torch, precision), exact)


def with_half_weights(model: Any, dtype: torch.dtype, exact: Iterable[Any] = ()) -> Any:
    """Return the model with its linear layers in half precision and all else shared with it, `exact` modules too.

    Under autocast it gives the same numbers, without a cast of every weight in every batch.
    """
    kept = {id(tensor) for module in exact if module is not None for tensor in module.parameters()}
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    own = {id(tensor) for module in linear for tensor in module.parameters(recurse=False)} - kept
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers()) if id(tensor) not in own}
    half = copy.deepcopy(model, shared)
    for module in half.modules():
        if isinstance(module, torch.nn.Linear) and id(module.weight) not in shared:
            module.to(dtype)
    return half
