"""Let OpenVINO compute the linear layers of a converted BERT with 8-bit integers.

The ranges of their inputs are fixed, and all rows of a batch have one length. So a row's vector does not depend on the
other rows. A few channels of the inputs are far larger than the others. So each channel is divided by a factor, and the
weights that read it are multiplied by it (Xiao et al., "SmoothQuant", 2022, equation 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from bert_spark.encoding.bert_forward import BertForward
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import CALIBRATE_AGAIN, damage_of_ranges
from bert_spark.encoding.model_resolver import ranges_file
from bert_spark.errors import ConfigError, ModelError

Ranges = dict[str, torch.Tensor]  # input of a linear layer -> its least and largest numbers, float32, (2, n_channels)
ALPHA = 0.8  # of SmoothQuant: how much of the difficulty moves from the inputs to the weights
_LEAST = 1e-5  # stands for the largest number of a channel that is always zero


def inputs_of(layers: Iterable[Any]) -> dict[str, list[torch.nn.Linear]]:
    """Return the name of each input -> the linear layers of a BERT that read it."""
    inputs = {}
    for number, layer in enumerate(layers):
        attention = layer.attention
        inputs[f"{number}.states"] = [attention.self.query, attention.self.key, attention.self.value]
        inputs[f"{number}.context"] = [attention.output.dense]
        inputs[f"{number}.attended"] = [layer.intermediate.dense]
        inputs[f"{number}.inner"] = [layer.output.dense]
    return inputs


def read_ranges(config: EncoderConfig, model: Any) -> Ranges:
    """Return the ranges of a calibrated model.

    Raises
    ------
    ConfigError
        If the model is not calibrated.
    ModelError
        If the ranges are damaged, or are those of another model.
    """
    path = ranges_file(config.model, config.revision)
    with damage_of_ranges(path):
        ranges = load_file(path)
    expected = {name: (2, linears[0].in_features) for name, linears in inputs_of(model.encoder.layer).items()}
    if {name: tuple(found.shape) for name, found in ranges.items()} != expected:
        raise ModelError(f"{path} was measured with another model; {CALIBRATE_AGAIN}")
    if not all(found.dtype == torch.float32 and found.isfinite().all() for found in ranges.values()):
        raise ModelError(f"{path} holds numbers that are no ranges; {CALIBRATE_AGAIN}")
    return ranges


def quantise_first_layers(converted: Any, bert: BertForward, ranges: Ranges) -> None:
    """Change a converted `BertForward.first_layers` in place: its linear layers compute with 8-bit integers.

    Raises
    ------
    ConfigError
        If the linear layers are not found in it, or some of them have equal weights.
    """
    from openvino import opset13 as ops

    expected = 6 * (len(bert.layers) - 1)
    wanted = {
        linear.weight.detach().numpy().tobytes(): (name, linears)
        for name, linears in inputs_of(bert.layers[:-1]).items()
        for linear in linears
    }
    if len(wanted) != expected:
        raise ConfigError(
            "precision='int8': some linear layers of the model have equal weights, so their inputs can't be told "
            "apart; set precision='float32'"
        )
    inputs: dict[str, Any] = {}  # name -> the 8-bit input that several layers share
    found = 0
    for product in converted.get_ordered_ops():
        weights = product.input_value(1).get_node() if product.get_type_name() == "MatMul" else None
        if weights is None or weights.get_type_name() != "Constant" or weights.data.tobytes() not in wanted:
            continue
        name, linears = wanted[weights.data.tobytes()]
        factors = _smoothing_factors(ranges[name], linears)
        if name not in inputs:
            least, largest = _range_with_zero(ranges[name].numpy() / factors)
            smoothed = ops.multiply(product.input_value(0), ops.constant((1 / factors).reshape(1, 1, -1)))
            bounds = [ops.constant(np.full((1, 1, 1), bound, np.float32)) for bound in (least, largest)]
            inputs[name] = ops.fake_quantize(smoothed, *bounds, *bounds, 256)
        smoothed_weights = weights.data * factors
        limit = np.abs(smoothed_weights).max(axis=1, keepdims=True).clip(_LEAST)  # of each output
        bounds = [ops.constant(-limit), ops.constant(limit)]
        product.input(0).replace_source_output(inputs[name].output(0))
        product.input(1).replace_source_output(
            ops.fake_quantize(ops.constant(smoothed_weights), *bounds, *bounds, 255).output(0)
        )
        found += 1
    if found != expected:
        raise ConfigError(
            f"precision='int8': OpenVINO's copy of the model has {found} of its {expected} linear layers; set "
            "precision='float32'"
        )
    converted.validate_nodes_and_infer_types()


def _smoothing_factors(ranges: torch.Tensor, linears: list[torch.nn.Linear]) -> np.ndarray:
    """Return the factor of each input channel: float32, (n_inputs,)."""
    inputs = ranges.abs().amax(0).clamp(min=_LEAST)
    weights = torch.stack([linear.weight.detach().abs().amax(0) for linear in linears]).amax(0).clamp(min=_LEAST)
    factors: np.ndarray = (inputs**ALPHA / weights ** (1 - ALPHA)).numpy()
    return factors


def _range_with_zero(ranges: np.ndarray) -> tuple[float, float]:
    """Return the ends of 256 equally spaced numbers that include 0 and cover all ranges but for half a step."""
    least, largest = min(float(ranges.min()), 0.0), max(float(ranges.max()), 0.0)
    step = max(largest - least, _LEAST) / 255
    zero = round(-least / step)
    return -zero * step, (255 - zero) * step
