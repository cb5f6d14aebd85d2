"""The device is the GPU that Spark gave to the task, as CUDA counts the cards. torch's view of the cards is faked."""

import os

import pytest
import torch

from bert_spark.encoding.device import check_no_tf32_override, cuda_index, pick_device, task_gpu_addresses
from bert_spark.encoding.threads import task_cpus
from bert_spark.errors import SetupError


@pytest.mark.parametrize(
    ("address", "visible", "index"),
    [
        ("0", None, 0),
        ("3", None, 3),
        ("1", "4,5", 1),  # an index into the list
        ("5", "4,5", 1),  # the card's own number
        ("0", "5", 0),
        ("5", "5", 0),
        ("GPU-b", "GPU-a,GPU-b", 1),
        ("MIG-1", " GPU-a , MIG-1 ", 1),
    ],
)
def test_an_address_becomes_a_cuda_index(address, visible, index):
    assert cuda_index(address, visible) == index


@pytest.mark.parametrize(
    ("address", "visible", "message"),
    [
        ("7", "4,5", r"address '7' is not among CUDA_VISIBLE_DEVICES='4,5'; make the two agree"),
        ("0", "", r"address '0' is not among CUDA_VISIBLE_DEVICES=''"),
        ("GPU-c", "GPU-a", r"address 'GPU-c' is not among"),
        ("GPU-a", None, r"address 'GPU-a' is not a number; set CUDA_VISIBLE_DEVICES"),
    ],
)
def test_the_address_of_an_invisible_card_is_refused(address, visible, message):
    with pytest.raises(SetupError, match=message):
        cuda_index(address, visible)


def test_address_1_is_cuda_1(task):
    task("1")
    assert pick_device("auto") == "cuda:1"
    assert pick_device("cuda") == "cuda:1"


def test_an_address_is_looked_up_in_a_narrowed_list(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    task("5")
    assert pick_device("auto") == "cuda:1"


def test_a_task_with_several_cards_uses_the_first(task):
    task("2", "0")
    assert pick_device("auto") == "cuda:2"


@pytest.mark.parametrize("in_task", [True, False])
def test_without_an_address_the_first_card_is_used(task, in_task):
    task(in_task=in_task)
    assert pick_device("auto") == "cuda:0"


def test_a_named_card_is_used(task):
    task("1")
    assert pick_device("cuda:3") == "cuda:3"


def test_device_cpu_does_not_touch_cuda(task, monkeypatch):
    task("1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("CUDA was touched"))
    assert pick_device("cpu") == "cpu"


def test_auto_is_the_cpu_without_a_card(task):
    task("1", cuda=False)
    assert pick_device("auto") == "cpu"


@pytest.mark.parametrize("requested", ["cuda", "cuda:1"])
def test_a_requested_gpu_without_a_card_is_refused(task, requested):
    task(cuda=False)
    with pytest.raises(
        SetupError, match=f"device='{requested}' but torch sees no GPU here; set device='auto' or repair"
    ):
        pick_device(requested)


def test_gpu_addresses_and_cpus_of_a_task(task):
    task("1", "2", cpus=3)
    assert (task_gpu_addresses(), task_cpus()) == (["1", "2"], 3)


def test_a_task_without_gpus_has_no_addresses(task):
    task()
    assert task_gpu_addresses() is None


def test_outside_a_task_there_are_no_addresses_and_cpus(task):
    task(in_task=False)
    assert (task_gpu_addresses(), task_cpus()) == (None, None)


@pytest.mark.parametrize("visible", [None, "MIG-1,MIG-2"])
def test_a_mig_slice_becomes_the_only_visible_card(task, monkeypatch, visible):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    task("MIG-2")
    assert (pick_device(), os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "MIG-2")
    assert pick_device() == "cuda:0"


def test_an_index_into_a_list_of_mig_slices_is_the_slice(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    for address in ("1", "1", "MIG-2"):  # the second task sees the variable as the first one has changed it
        task(address)
        assert (pick_device(), os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "MIG-2")


def test_the_index_of_another_mig_slice_is_refused(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    task("1")
    pick_device()
    task("0")
    with pytest.raises(SetupError, match="runs on GPU 'MIG-2' and can't change to 'MIG-1'"):
        pick_device()


def test_a_uuid_without_a_list_becomes_the_only_visible_card(task):
    task("GPU-8f1c")
    assert (pick_device(), os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "GPU-8f1c")


def test_a_process_can_change_cards_by_uuids_in_a_list(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    task("GPU-b")
    assert pick_device() == "cuda:1"
    task("GPU-a")
    assert pick_device() == "cuda:0"


def test_a_process_with_a_mig_slice_refuses_another(task):
    task("MIG-1")
    pick_device()
    task("MIG-2")
    with pytest.raises(
        SetupError, match=r"runs on GPU 'MIG-1' and can't change to 'MIG-2'.*give each executor one GPU"
    ):
        pick_device()


def test_a_mig_slice_outside_the_list_is_refused(task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
    task("MIG-7")
    with pytest.raises(SetupError, match="address 'MIG-7' is not among CUDA_VISIBLE_DEVICES='MIG-1'"):
        pick_device()


def test_the_override_to_tf32_is_refused(monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    check_no_tf32_override()
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    with pytest.raises(SetupError, match=r"NVIDIA_TF32_OVERRIDE=1 rounds float32 to TF32.*unset it"):
        check_no_tf32_override()
