"""The steps between a pooled vector and the final one: dense layers, layer norm, unit length, fewer dimensions.

Their formulas are those of the modules of sentence-transformers with the same names. Everything is float32. Reads
weights from safetensors only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bert_spark.encoding.model_files import file_sha256
from bert_spark.errors import ModelError

if TYPE_CHECKING:
    import torch


class VectorStep(Protocol):
    """One step: from vectors (n, width) to vectors (n, new width)."""

    def identity(self) -> list[Any]:
        """Return what distinguishes this step's result from others', for the fingerprint."""
        ...

    def width(self, before: int) -> int:
        """Return the numbers in one vector after this step.

        Raises
        ------
        ModelError
            If the step does not take vectors of `before` numbers.
        """
        ...

    def build(self, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the function that computes this step on a device."""
        ...


@dataclass(frozen=True)
class Normalize:
    """Divide each vector by its Euclidean length, so that dot products are cosines."""

    def identity(self) -> list[Any]:
        """See VectorStep."""
        return ["normalize"]

    def width(self, before: int) -> int:
        """See VectorStep."""
        return before

    def build(self, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """See VectorStep. A vector of zeros stays zero."""
        from torch.nn.functional import normalize

        return lambda vectors: normalize(vectors, dim=-1)


@dataclass(frozen=True)
class Truncate:
    """Keep the first `dimensions` numbers. Models trained for it (Matryoshka) lose little by that."""

    dimensions: int

    def identity(self) -> list[Any]:
        """See VectorStep."""
        return ["truncate", self.dimensions]

    def width(self, before: int) -> int:
        """See VectorStep."""
        return min(before, self.dimensions)

    def build(self, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """See VectorStep."""
        return lambda vectors: vectors[:, : self.dimensions]


@dataclass(frozen=True)
class StepWeights:
    """The weights of a step: a safetensors file, or the tensors of a live module by their names."""

    source: Path | Mapping[str, torch.Tensor]

    def tensors(self, device: str) -> dict[str, torch.Tensor]:
        """Return the tensors by name, float32, on a device."""
        if isinstance(self.source, Path):
            from safetensors.torch import load_file

            source: Mapping[str, torch.Tensor] = load_file(self.source)
        else:
            source = self.source
        return {name: tensor.detach().float().to(device) for name, tensor in source.items()}

    def digest(self) -> str:
        """Return the sha256 of the file; "live" for a live module."""
        return file_sha256(self.source) if isinstance(self.source, Path) else "live"

    def check_shapes(self, expected: Mapping[str, tuple[int, ...]], where: str) -> None:
        """Raise ModelError unless the file holds exactly the `expected` tensors: name -> shape."""
        if not isinstance(self.source, Path):
            return
        from safetensors import safe_open

        with safe_open(self.source, framework="numpy") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
        if found != expected:
            raise ModelError(f"{where}: model.safetensors holds {found}; expected {dict(expected)}: fetch it anew")


@dataclass(frozen=True)
class Dense:
    """A linear layer with its activation, and on request the input added to its result.

    Attributes
    ----------
    inputs, outputs
        Numbers in a vector before and after.
    activation
        Name of a class in torch.nn, such as "Tanh".
    residual
        Whether the input is added, through a layer of its own if the widths differ.
    weights
        "linear.weight", (outputs, inputs), and if there is a bias "linear.bias", (outputs,). With residual and
        different widths also "residual.weight", (outputs, inputs).
    """

    inputs: int
    outputs: int
    activation: str
    residual: bool
    weights: StepWeights = field(compare=False)

    def identity(self) -> list[Any]:
        """See VectorStep."""
        return ["dense", self.activation, self.residual, self.weights.digest()]

    def width(self, before: int) -> int:
        """See VectorStep."""
        _check_width("Dense", self.inputs, before)
        return self.outputs

    def build(self, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """See VectorStep."""
        import torch
        from torch.nn.functional import linear

        tensors = self.weights.tensors(device)
        activate = getattr(torch.nn, self.activation)().eval()

        def run(vectors: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = activate(linear(vectors, tensors["linear.weight"], tensors.get("linear.bias")))
            if not self.residual:
                return result
            residual = tensors.get("residual.weight")
            return result + (vectors if residual is None else linear(vectors, residual))

        return run


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation with trained weights "norm.weight" and "norm.bias", both (size,)."""

    size: int
    weights: StepWeights = field(compare=False)

    def identity(self) -> list[Any]:
        """See VectorStep."""
        return ["layer_norm", self.weights.digest()]

    def width(self, before: int) -> int:
        """See VectorStep."""
        _check_width("LayerNorm", self.size, before)
        return before

    def build(self, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """See VectorStep."""
        from torch.nn.functional import layer_norm

        tensors = self.weights.tensors(device)
        return lambda vectors: layer_norm(vectors, (self.size,), tensors["norm.weight"], tensors["norm.bias"])


def build_steps(steps: Sequence[VectorStep], device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function that runs all steps in turn: float32, (n, width) -> (n, new width)."""
    functions = [step.build(device) for step in steps]

    def run(vectors: torch.Tensor) -> torch.Tensor:
        for function in functions:
            vectors = function(vectors)
        return vectors

    return run


def apply_steps(steps: Sequence[VectorStep], vectors: np.ndarray) -> np.ndarray:
    """Run all steps on the CPU: float32, (n, width) -> (n, new width)."""
    if not steps:
        return vectors
    import torch

    with torch.inference_mode():
        result: np.ndarray = build_steps(steps, "cpu")(torch.from_numpy(np.ascontiguousarray(vectors))).numpy()
    return result


def _check_width(module: str, expected: int, got: int) -> None:
    if expected != got:
        raise ModelError(
            f"the model's own {module} takes vectors of {expected} numbers, its pooling gives {got}: "
            "its files do not belong together; fetch them anew"
        )
