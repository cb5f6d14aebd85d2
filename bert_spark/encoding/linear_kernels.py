"""Compute linear layers with PyTorch, or with oneDNN on x86 CPUs. Knows nothing of models.

On x86 CPUs PyTorch computes float32 products with MKL. There an AMD processor reaches half of its speed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

# PyTorch and oneDNN each cache what they built for 1,024 shapes, about 250 kB a shape, and batches have hundreds of
# shapes: a worker would grow with its rows. The limits are read at the first product. A value set by the user stays.
for _limit in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    os.environ.setdefault(_limit, "64")

_OPERATION = "_linear_pointwise"  # the operation that torch.compile uses for a linear layer on CPUs


class LinearKernels(NamedTuple):
    """Functions that compute a linear layer in the type of its weights: (layer, rows) -> rows.

    Attributes
    ----------
    linear
        The layer alone.
    gelu
        The layer followed by the exact GELU.
    """

    linear: Callable[[torch.nn.Linear, torch.Tensor], torch.Tensor]
    gelu: Callable[[torch.nn.Linear, torch.Tensor], torch.Tensor]


def kernels_for(device: str, *types: torch.dtype) -> LinearKernels:
    """Return the fastest kernels of this process for a device and the types of the weights."""
    if device != "cpu" or not has_onednn():
        return TORCH_KERNELS
    bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    fast_types = {torch.float32, torch.bfloat16} if bfloat16 else {torch.float32}
    return ONEDNN_KERNELS if fast_types.issuperset(types) else TORCH_KERNELS


def has_onednn() -> bool:
    """Tell whether PyTorch would compute products with MKL and has oneDNN too."""
    backends = torch.backends
    return backends.mkl.is_available() and backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, _OPERATION)  # type: ignore[no-untyped-call]


class OneDNNLinearMode(TorchFunctionMode):
    """Context in which oneDNN computes every float32 linear layer on the CPU, in any model."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute calls of a float32 linear layer with oneDNN. Leave all other calls unchanged."""
        if func is torch.nn.functional.linear and not kwargs:
            rows, weight = args[:2]
            if rows.dtype == weight.dtype == torch.float32 and rows.device.type == weight.device.type == "cpu":
                return _product(rows, weight, args[2] if len(args) > 2 else None)
        return func(*args, **(kwargs or {}))


def _product(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, activation: str = "none"
) -> torch.Tensor:
    result: torch.Tensor = getattr(torch.ops.mkldnn, _OPERATION)(rows, weight, bias, activation, [], "none")
    return result


def _linear(layer: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = layer(rows.to(layer.weight.dtype))
    return result


def _linear_gelu(layer: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.gelu(_linear(layer, rows))


def _onednn_linear(layer: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    return _product(rows.to(layer.weight.dtype), layer.weight, layer.bias)


def _onednn_linear_gelu(layer: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    return _product(rows.to(layer.weight.dtype), layer.weight, layer.bias, "gelu")


TORCH_KERNELS = LinearKernels(_linear, _linear_gelu)
ONEDNN_KERNELS = LinearKernels(_onednn_linear, _onednn_linear_gelu)
