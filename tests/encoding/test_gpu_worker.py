"""What a worker process does with the card and the CPUs of its task, and which CUDA errors end it. No card needed."""

import json
import os
import subprocess
from types import SimpleNamespace

import pytest
import torch

from bert_spark.encoding import cuda_errors, device
from bert_spark.encoding import threads as worker_threads
from bert_spark.errors import DeviceError, SetupError
from tests.support.paths import ROOT

pyspark = pytest.importorskip("pyspark", reason="the task's side of these questions needs pyspark")


@pytest.fixture
def task(monkeypatch):
    """Return a function that sets the running task's GPU addresses and CPUs, in a process that has not used CUDA."""
    monkeypatch.setattr(device, "_only_visible", None)
    monkeypatch.setattr(device, "_visible_before", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def run(*addresses, cpus=1):
        resources = {"gpu": SimpleNamespace(addresses=list(addresses))} if addresses else {}
        context = SimpleNamespace(resources=lambda: resources, cpus=lambda: cpus)
        monkeypatch.setattr(pyspark.TaskContext, "get", classmethod(lambda cls: context))

    return run


@pytest.mark.parametrize("visible", [None, "MIG-1,MIG-2"])
def test_a_mig_slice_is_shown_to_cuda_alone(task, monkeypatch, visible):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    task("MIG-2")
    assert (device.pick_device(), os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "MIG-2")
    assert device.pick_device() == "cuda:0"


def test_an_index_into_a_list_of_slices_is_the_slice(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    for address in ("1", "1", "MIG-2"):  # the second task finds the variable narrowed by the first
        task(address)
        assert (device.pick_device(), os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "MIG-2")


def test_an_index_of_another_slice_is_refused_as_its_name_would_be(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    task("1")
    device.pick_device()
    task("0")
    with pytest.raises(SetupError, match="runs on GPU 'MIG-2' and can't change to 'MIG-1'"):
        device.pick_device()


def test_a_uuid_without_a_list_is_shown_to_cuda_alone(task):
    task("GPU-8f1c")
    assert (device.pick_device(), os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "GPU-8f1c")


def test_a_uuid_in_a_list_is_an_index_so_that_a_process_can_change_cards(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    task("GPU-b")
    assert device.pick_device() == "cuda:1"
    task("GPU-a")
    assert device.pick_device() == "cuda:0"


def test_a_process_that_keeps_its_slice_refuses_another(task):
    task("MIG-1")
    device.pick_device()
    task("MIG-2")
    with pytest.raises(
        SetupError, match=r"runs on GPU 'MIG-1' and can't change to 'MIG-2'.*give each executor one GPU"
    ):
        device.pick_device()


def test_a_slice_that_is_not_in_the_list_is_refused(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
    task("MIG-7")
    with pytest.raises(SetupError, match="address 'MIG-7' is not among CUDA_VISIBLE_DEVICES='MIG-1'"):
        device.pick_device()


@pytest.fixture
def threads(task, monkeypatch):
    """Return a function that runs a task of some CPUs and gives torch's threads and the tokenizer's two variables."""
    names = ("TOKENIZERS_PARALLELISM", "RAYON_NUM_THREADS")
    for name in (*names, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()

    def settle(cpus):
        task(cpus=cpus)
        worker_threads.limit_threads()
        return torch.get_num_threads(), *map(os.environ.get, names)

    yield settle
    torch.set_num_threads(before)
    for name in names:
        os.environ.pop(name, None)


def test_threads_follow_the_tasks_cpus(threads):
    assert threads(3) == (3, "true", "3")


def test_a_task_of_one_cpu_tokenises_in_one_thread(threads):
    assert threads(1) == (1, "false", "1")


def test_threads_that_were_set_stand(threads, monkeypatch):
    torch.set_num_threads(5)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("RAYON_NUM_THREADS", "4")
    assert threads(3) == (5, "false", "4")


ASSERT = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"


@pytest.mark.parametrize(
    ("error", "memory", "fatal"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp:1131"), True, False),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True, False),
        (RuntimeError(ASSERT), False, True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), False, True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), False, True),
        (RuntimeError("The size of tensor a (3) must match"), False, False),
        (ValueError("CUDA error: quoted by somebody"), False, False),
    ],
)
def test_which_errors_are_memory_and_which_end_the_process(error, memory, fatal):
    assert (cuda_errors.is_out_of_memory(error), cuda_errors.is_fatal(error)) == (memory, fatal)


def test_a_fatal_error_says_host_first_line_and_what_happens_next():
    with pytest.raises(
        DeviceError, match=r"failed on host .+ \(CUDA error: device-side assert triggered\); its Python w"
    ):
        with cuda_errors.fatal_as_device_error():
            raise RuntimeError(ASSERT)


def test_any_other_error_goes_through_as_it_is():
    with pytest.raises(RuntimeError, match=r"^shape$"), cuda_errors.fatal_as_device_error():
        raise RuntimeError("shape")


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
        done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=30)
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
def test_discovery_prints_what_spark_reads(discover, answer, variables, addresses):
    code, output, _ = discover(answer, **variables)
    assert (code, json.loads(output)) == (0, {"name": "gpu", "addresses": addresses})


@pytest.mark.parametrize(
    ("answer", "variables", "message"),
    [
        (None, {}, "nvidia-smi not found on this machine's PATH; install the NVIDIA driver"),
        ("none", {}, "nvidia-smi lists no GPU: No devices were found"),
        ("no driver", {}, "nvidia-smi failed; mend the driver: NVIDIA-SMI has failed"),
        (None, {"CUDA_VISIBLE_DEVICES": "0"}, "nvidia-smi not found on this machine's PATH"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES='' hides every GPU; unset it or name cards"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "-1"}, "CUDA_VISIBLE_DEVICES='-1' hides every GPU"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, "CUDA_VISIBLE_DEVICES='NoDevFiles' hides every GPU"),
        ("two cards", {"CUDA_VISIBLE_DEVICES": "2,0"}, "CUDA_VISIBLE_DEVICES='2,0' hides every GPU"),
    ],
)
def test_discovery_says_on_stderr_why_there_is_no_gpu(discover, answer, variables, message):
    code, output, errors = discover(answer, **variables)
    assert (code, output) == (3, "")
    assert errors.startswith(f"discover_gpus.sh: {message}")


def test_every_setting_of_gpu_conf_has_its_reason_above_it():
    above = ""
    for line in (ROOT / "conf" / "gpu.conf").read_text(encoding="utf-8").splitlines():
        assert line.startswith("spark.") is False or above.startswith(
            ("#", "spark.executor.cores", "spark.executor.memory ")
        )
        above = line or above


def test_gpu_conf_gives_each_executor_one_gpu_and_one_task_at_a_time():
    lines = (ROOT / "conf" / "gpu.conf").read_text(encoding="utf-8").splitlines()
    conf = dict(line.split() for line in lines if line.startswith("spark."))
    assert conf["spark.executor.resource.gpu.amount"] == conf["spark.task.resource.gpu.amount"] == "1"
    assert conf["spark.executor.cores"] == conf["spark.task.cpus"]


def test_a_driver_that_is_told_to_round_float32_is_refused(monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    device.check_no_tf32_override()
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    with pytest.raises(SetupError, match=r"NVIDIA_TF32_OVERRIDE=1 rounds float32 to TF32.*unset it"):
        device.check_no_tf32_override()
