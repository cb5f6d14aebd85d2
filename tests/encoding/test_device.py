"""The device is the one the scheduler gave to the task, counted as CUDA counts. No card needed: torch's is faked."""

from types import SimpleNamespace

import pytest
import torch

from bert_spark.encoding.device import cuda_index, pick_device, task_gpu_addresses
from bert_spark.encoding.threads import task_cpus
from bert_spark.errors import SetupError

pyspark = pytest.importorskip("pyspark", reason="the task's side of these questions needs pyspark")


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets what torch, Spark's task and the environment say."""

    def see(cuda=True, addresses=None, visible=None, in_task=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        resources = {} if addresses is None else {"gpu": SimpleNamespace(addresses=addresses)}
        task = SimpleNamespace(resources=lambda: resources, cpus=lambda: 3) if in_task else None
        monkeypatch.setattr(pyspark.TaskContext, "get", classmethod(lambda cls: task))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return see


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
def test_address_becomes_the_index_that_cuda_counts(address, visible, index):
    assert cuda_index(address, visible) == index


@pytest.mark.parametrize(
    ("address", "visible", "message"),
    [
        ("7", "4,5", r"address '7' is not among CUDA_VISIBLE_DEVICES='4,5'; make the two agree"),
        ("0", "", r"address '0' is not among CUDA_VISIBLE_DEVICES=''"),
        ("GPU-c", "GPU-a", r"address 'GPU-c' is not among"),
        ("GPU-a", None, r"address 'GPU-a' is no number; set CUDA_VISIBLE_DEVICES"),
    ],
)
def test_address_of_a_card_that_is_not_visible_is_refused(address, visible, message):
    with pytest.raises(SetupError, match=message):
        cuda_index(address, visible)


def test_the_schedulers_second_card_is_cuda_1(machine):
    machine(addresses=["1"])
    assert pick_device("auto") == "cuda:1"
    assert pick_device("cuda") == "cuda:1"


def test_the_schedulers_card_behind_a_narrowed_list(machine):
    machine(addresses=["5"], visible="4,5")
    assert pick_device("auto") == "cuda:1"


def test_a_task_of_several_cards_uses_its_first(machine):
    machine(addresses=["2", "0"])
    assert pick_device("auto") == "cuda:2"


@pytest.mark.parametrize("in_task", [True, False])
def test_without_an_address_it_is_the_first_card(machine, in_task):
    machine(in_task=in_task)
    assert pick_device("auto") == "cuda:0"


def test_a_card_that_is_named_is_taken(machine):
    machine(addresses=["1"])
    assert pick_device("cuda:3") == "cuda:3"


def test_the_cpu_when_it_is_asked_for_without_a_look_at_cuda(machine, monkeypatch):
    machine(addresses=["1"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("CUDA was touched"))
    assert pick_device("cpu") == "cpu"


def test_no_card_means_the_cpu(machine):
    machine(cuda=False, addresses=["1"])
    assert pick_device("auto") == "cpu"


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1"])
def test_no_card_where_one_is_wanted_is_refused(machine, wanted):
    machine(cuda=False)
    with pytest.raises(SetupError, match=f"device='{wanted}' but torch sees no GPU here; set device='auto' or mend"):
        pick_device(wanted)


def test_what_the_task_owns(machine):
    machine(addresses=["1", "2"])
    assert (task_gpu_addresses(), task_cpus()) == (["1", "2"], 3)


def test_a_task_without_cards(machine):
    machine(addresses=None)
    assert task_gpu_addresses() is None


def test_outside_a_task_nothing_is_owned(machine):
    machine(in_task=False)
    assert (task_gpu_addresses(), task_cpus()) == (None, None)
