"""What runs a model: torch, or OpenVINO as an optional compiled engine for CPUs. One function from ids and mask to
vectors, whichever it is. Knows nothing of texts and batches."""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from bert_spark.config import EncoderConfig
from bert_spark.errors import ConfigError, SetupError
from bert_spark.kernels import PLAIN, ByOneDNN, Kernels, has_onednn, kernels_for
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
    model, function, device = loaded.model, config.embedding_func, loaded.device
    pool = by_name(config.pooling)
    ways: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    if function is None and in_family(model):
        states = _family_states(model, config, device)
    else:
        states = model if device == "cpu" else _in_precision(model, config.precision)
        ways = functools.partial(arithmetic, device, config.precision)

    def vectors(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), on_card(device), ways():
            output = states(input_ids=ids, attention_mask=mask)
            result: torch.Tensor = pool(output, mask) if function is None else function(output)
        return result

    return vectors


def _family_states(model: Any, config: EncoderConfig, device: str) -> FamilyForward:
    exact = [model.pooler]
    if device == "cpu" and reads_first_only(config.pooling):
        exact.append(model.encoder.layer[-1])  # for 5 % of the time in bfloat16 a third fewer labels are other ones
    half = _in_precision(model, config.precision, exact)
    types = {module.weight.dtype for module in half.modules() if isinstance(module, torch.nn.Linear)}
    return forward_of(half, config.pooling, kernels_for(device, *types))


def arithmetic(device: str, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a model's own forward pass computes in `precision`, over float32 weights as well."""
    if precision == "float32":
        return ByOneDNN() if device == "cpu" and has_onednn() else contextlib.nullcontext()
    # autocast over float32 weights is nearer to float32 than half-precision weights, and no slower on CPUs
    return torch.autocast(torch.device(device).type, dtype=getattr(torch, precision))


@contextlib.contextmanager
def on_card(device: str) -> Iterator[None]:
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


def reads_first_only(pooling: str) -> bool:
    """Tell whether a pooling reads the first token's state alone."""
    return set(parts_of(pooling)) <= {"cls", "pooler"}


def forward_of(model: Any, pooling: str, kernels: Kernels = PLAIN) -> FamilyForward:
    """Return the forward pass that gives what a pooling reads, of a model of the family."""
    pooled = "pooler" in parts_of(pooling)
    return FamilyForward(model, first_only=reads_first_only(pooling), pooled=pooled, kernels=kernels)


class _Pooled(torch.nn.Module):
    """Forward pass and pooling as one module, for OpenVINO to convert."""

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        self.states = forward_of(model, pooling)
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
