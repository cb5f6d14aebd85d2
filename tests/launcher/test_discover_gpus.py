"""conf/discover_gpus.sh prints the GPU addresses for Spark, or the reason why there are none."""

import json
import subprocess

import pytest

from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S

NVIDIA_SMI = {
    "two cards": ("GPU 0: H100 (UUID: GPU-a)\nGPU 1: H100 (UUID: GPU-b)", 0),
    "slices": (
        "GPU 0: A100 (UUID: GPU-a)\n  MIG 1g.10gb     Device  0: (UUID: MIG-x)\n"
        "  MIG 1g.10gb     Device  1: (UUID: MIG-y)\nGPU 1: A100 (UUID: GPU-b)",
        0,
    ),
    "none": ("No devices were found", 0),
    "no driver": ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9),
}


@pytest.fixture
def discover(tmp_path):
    """Return a function that runs the discovery script with the tool's answer given: exit code, output, errors."""

    def run(answer=None, **variables):
        if answer is not None:
            text, code = NVIDIA_SMI[answer]
            (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
            (tmp_path / "nvidia-smi").chmod(0o755)
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | variables
        script = [str(ROOT / "conf" / "discover_gpus.sh")]
        done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_S)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize(
    ("answer", "variables", "addresses"),
    [
        ("two cards", {}, ["0", "1"]),
        ("slices", {}, ["MIG-x", "MIG-y", "1"]),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "1"}, ["0"]),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "1,GPU-a"}, ["0", "1"]),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "1,-1,0"}, ["0"]),  # CUDA stops at the first that is none
        ("slices", {"CUDA_VISIBLE_DEVICES": "MIG-y, MIG-x"}, ["MIG-y", "MIG-x"]),
    ],
)
def test_addresses_are_printed_as_spark_reads_them(discover, answer, variables, addresses):
    code, output, _ = discover(answer, **variables)
    assert (code, json.loads(output)) == (0, {"name": "gpu", "addresses": addresses})


@pytest.mark.parametrize(
    ("answer", "variables", "message"),
    [
        (None, {}, "nvidia-smi not found on this machine's PATH; install the NVIDIA driver"),
        ("none", {}, "nvidia-smi lists no GPU: No devices were found"),
        ("no driver", {}, "nvidia-smi failed; repair the NVIDIA driver: NVIDIA-SMI has failed"),
        (None, {"CUDA_VISIBLE_DEVICES": "0"}, "nvidia-smi not found on this machine's PATH"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES='' hides every GPU; unset it or name GPUs"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "-1"}, "CUDA_VISIBLE_DEVICES='-1' hides every GPU"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, "CUDA_VISIBLE_DEVICES='NoDevFiles' hides every GPU"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "2,0"}, "CUDA_VISIBLE_DEVICES='2,0' hides every GPU"),
    ],
)
def test_the_reason_without_a_gpu_is_on_stderr(discover, answer, variables, message):
    code, output, errors = discover(answer, **variables)
    assert (code, output) == (3, "")
    assert errors.startswith(f"discover_gpus.sh: {message}")
