"""Spark's GPU settings, and whether models fit on a GPU: what is refused, and what is a warning."""

import pytest

from bert_spark.spark.gpu_settings import check_gpu_memory, check_settings, is_local, tasks_per_gpu
from tests.support.paths import ROOT

GPU = {"spark.executor.resource.gpu.amount": "1", "spark.task.resource.gpu.amount": "1"}
EXECUTOR = {"where": "host1, executor 7"}


def messages(findings):
    return [str(finding) for finding in findings]


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*]"])
def test_gpu_requests_in_local_mode_are_refused(master):
    (only,) = messages(check_settings({"spark.master": master, **GPU}))
    assert only.startswith(
        "refused: spark settings: master local has no executors to give GPUs to, and Spark would wait"
    )


def test_executor_gpus_that_no_task_requests_are_refused():
    settings = {"spark.master": "spark://h:7077", "spark.executor.resource.gpu.amount": "1"}
    (only,) = messages(check_settings(settings))
    assert only.endswith("all tasks of an executor would use its first GPU; set spark.task.resource.gpu.amount to 1")


def test_worker_reuse_off_is_a_warning():
    (only,) = messages(check_settings({"spark.master": "spark://h:7077", **GPU, "spark.python.worker.reuse": "false"}))
    assert only.startswith(
        "warning: spark settings: spark.python.worker.reuse is false: each task imports torch and loads"
    )


def test_conf_gpu_conf_has_no_findings():
    lines = (ROOT / "conf" / "gpu.conf").read_text(encoding="utf-8").splitlines()
    conf = dict(line.split() for line in lines if line.startswith("spark."))
    assert check_settings({"spark.master": "yarn", **conf}) == []
    at_once = int(conf["spark.executor.cores"]) // int(conf["spark.task.cpus"])
    assert tasks_per_gpu(conf, at_once) == 1


@pytest.mark.parametrize(("master", "local"), [("local", True), ("local[4]", True), ("local-cluster[2,1,1024]", False)])
def test_which_master_is_local(master, local):
    assert is_local({"spark.master": master}) is local


@pytest.mark.parametrize(
    ("share", "gpus", "at_once", "tasks"),
    [("1", "1", 8, 1), ("0.25", "1", 8, 4), ("0.25", "1", 2, 2), ("0.25", "4", 8, 2), ("0.25", "1", 0, 4)],
)
def test_tasks_per_gpu_follow_from_share_gpus_and_cpus(share, gpus, at_once, tasks):
    settings = {"spark.executor.resource.gpu.amount": gpus, "spark.task.resource.gpu.amount": share}
    assert tasks_per_gpu(settings, at_once) == tasks


@pytest.mark.parametrize(("at_once", "tasks"), [(8, 8), (0, 1)])
def test_tasks_that_request_no_gpu_share_the_first_one(at_once, tasks):
    assert tasks_per_gpu({}, at_once) == tasks


def test_models_that_do_not_fit_on_a_gpu_are_refused_with_the_sum():
    settings = {**GPU, "spark.task.resource.gpu.amount": "0.125"}
    (only,) = messages(check_gpu_memory([{**EXECUTOR, "card_bytes": 8_000_000_000}], settings, 8, 440_000_000))
    assert only == (
        "refused: host1, executor 7: 8 tasks x (440 MB model + 629 MB) = 8.6 GB; the GPU has 8.0 GB; "
        "set spark.task.resource.gpu.amount to 1"
    )


def test_models_that_share_a_gpu_are_a_warning_with_the_sum():
    settings = {**GPU, "spark.task.resource.gpu.amount": "0.5"}
    (only,) = messages(check_gpu_memory([{**EXECUTOR, "card_bytes": 80_000_000_000}], settings, 8, 440_000_000))
    assert only.startswith(
        "warning: host1, executor 7: 2 tasks x (440 MB model + 629 MB) = 2.1 GB of the GPU's 80.0 GB"
    )


@pytest.mark.parametrize(
    ("master", "advice"),
    [
        ("local[16]", "set spark.task.cpus to the N of local[N]"),
        ("spark://h:7077", "set spark.executor.resource.gpu.amount and spark.task.resource.gpu.amount to 1, as conf/"),
    ],
)
def test_models_that_do_not_fit_are_refused_without_any_gpu_setting(master, advice):
    (only,) = messages(
        check_gpu_memory([{**EXECUTOR, "card_bytes": 16_000_000_000}], {"spark.master": master}, 16, 440_000_000)
    )
    assert only.startswith("refused: host1, executor 7: 16 tasks x (440 MB model + 629 MB) = 17.1 GB; the GPU has 16.")
    assert advice in only


def test_one_task_per_gpu_and_executors_without_gpus_have_no_findings():
    assert check_gpu_memory([{**EXECUTOR, "card_bytes": 8_000_000_000}, EXECUTOR], GPU, 8, 440_000_000) == []
