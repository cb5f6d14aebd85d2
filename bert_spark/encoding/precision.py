"""Pick the precision that "auto" stands for on this machine: half precision where the hardware is fast at it.

Nothing is measured: the precision is part of the fingerprint, so that every run on one kind of machine must get the
same one.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from bert_spark.errors import SetupError


def pick_precision(device: str) -> str:
    """Return "float16", "bfloat16" or "float32" for this machine.

    On a GPU it is float16 from NVIDIA's Volta and Turing on. float16 is as fast as bfloat16 and nearer to float32, and
    a row that overflows is run again in float32. On a CPU it is bfloat16 with AMX, and on AMD's processors with
    AVX512_BF16, which multiply bfloat16 at more than twice the speed of float32. Intel's AVX512_BF16 without AMX
    multiplies it at half the speed.

    Parameters
    ----------
    device
        "auto", "cpu", "cuda" or "cuda:N".
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return "float16" if torch.cuda.get_device_capability(_gpu_index(device))[0] >= 7 else "float32"
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "float32"  # torch would compute bfloat16 without the processor's instructions
    return "bfloat16" if is_fast_at_bfloat16(torch.cpu.get_capabilities()) else "float32"


def is_fast_at_bfloat16(processor: Mapping[str, Any]) -> bool:
    """Tell whether a processor, as `torch.cpu.get_capabilities` describes it, is faster at bfloat16 than at float32."""
    has_fast_avx512 = bool(processor.get("avx512_bf16")) and "AMD" in str(processor.get("cpu_name"))
    return bool(processor.get("amx_bf16")) or has_fast_avx512


def check_int8_products() -> None:
    """Refuse a processor without instructions for 8-bit products: there OpenVINO's products overflow.

    Raises
    ------
    SetupError
        If the processor has neither VNNI nor AMX.
    """
    import torch

    if not has_int8_products(torch.cpu.get_capabilities()):
        raise SetupError(
            f"precision='int8' needs a processor with VNNI or AMX, that of {platform.node()} has neither; set another "
            "precision"
        )


def has_int8_products(processor: Mapping[str, Any]) -> bool:
    """Tell whether a processor, as `torch.cpu.get_capabilities` describes it, multiplies 8-bit integers exactly."""
    return any(processor.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def _gpu_index(device: str) -> int:
    """Return the number of the card to check. The first one stands for cards that only executors have."""
    import torch

    number = int(device.removeprefix("cuda:")) if device.startswith("cuda:") else 0
    return number if number < torch.cuda.device_count() else 0
