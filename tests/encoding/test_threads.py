"""Torch and the tokenizer get as many threads as the task has CPUs."""

import os

import pytest
import torch

from bert_spark.encoding import threads as worker_threads


@pytest.fixture
def threads_of_task(task, monkeypatch):
    """Return a function that runs a task of some CPUs. It returns torch's threads and the tokenizer's two variables."""
    names = ("TOKENIZERS_PARALLELISM", "RAYON_NUM_THREADS")
    for name in (*names, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()

    def run(cpus):
        task(cpus=cpus)
        worker_threads.limit_threads()
        return torch.get_num_threads(), *map(os.environ.get, names)

    yield run
    torch.set_num_threads(before)
    for name in names:
        os.environ.pop(name, None)


def test_threads_equal_the_cpus_of_the_task(threads_of_task):
    assert threads_of_task(3) == (3, "true", "3")


def test_a_task_of_one_cpu_tokenises_in_one_thread(threads_of_task):
    assert threads_of_task(1) == (1, "false", "1")


def test_threads_set_by_the_user_are_kept(threads_of_task, monkeypatch):
    torch.set_num_threads(5)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("RAYON_NUM_THREADS", "4")
    assert threads_of_task(3) == (5, "false", "4")


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "4"}, 1),
        ({"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": "4"}, 4),
        ({"RAYON_NUM_THREADS": "0"}, len(os.sched_getaffinity(0))),
        ({}, len(os.sched_getaffinity(0))),
    ],
)
def test_threads_of_the_tokenizer(monkeypatch, variables, threads):
    for name in ("TOKENIZERS_PARALLELISM", "RAYON_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert worker_threads.tokenizer_threads() == threads
