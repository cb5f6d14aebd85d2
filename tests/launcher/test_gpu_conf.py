"""conf/gpu.conf gives each executor one GPU, and has a reason for each setting."""

from tests.support.paths import ROOT


def test_every_setting_has_a_reason_above_it():
    above = ""
    for line in (ROOT / "conf" / "gpu.conf").read_text(encoding="utf-8").splitlines():
        assert line.startswith("spark.") is False or above.startswith(
            ("#", "spark.executor.cores", "spark.executor.memory ")
        )
        above = line or above


def test_each_executor_has_one_gpu_and_one_task_at_a_time():
    lines = (ROOT / "conf" / "gpu.conf").read_text(encoding="utf-8").splitlines()
    conf = dict(line.split() for line in lines if line.startswith("spark."))
    assert conf["spark.executor.resource.gpu.amount"] == conf["spark.task.resource.gpu.amount"] == "1"
    assert conf["spark.executor.cores"] == conf["spark.task.cpus"]
