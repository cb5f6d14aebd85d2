"""What is refused before any row is read, and what is only told: settings, cards, executors that differ."""

import pytest
import torch

from bert_spark import EncoderConfig
from bert_spark.errors import SetupError
from bert_spark.spark import executor_probe, preflight
from bert_spark.spark.gpu_settings import check_gpu_memory, check_settings, is_local, tasks_per_gpu
from bert_spark.spark.preflight import compare_with_driver
from jobs import embed, search, train
from tests.support.paths import ROOT

GPU = {"spark.executor.resource.gpu.amount": "1", "spark.task.resource.gpu.amount": "1"}
DRIVER = {"where": "driver", "python": "3.11.7", "torch": "2.13.0", "transformers": "5.24.0", "model": "aaa"}
GOOD = {**DRIVER, "where": "host1, executor 7", "problems": []}


def told(findings):
    return [str(finding) for finding in findings]


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*]"])
def test_gpu_requests_in_local_mode_are_refused(master):
    (only,) = told(check_settings({"spark.master": master, **GPU}))
    assert only.startswith(
        "refused: spark settings: master local has no executors to give GPUs to, and Spark would wait"
    )


def test_executors_with_gpus_whose_tasks_ask_for_none_are_refused():
    settings = {"spark.master": "spark://h:7077", "spark.executor.resource.gpu.amount": "1"}
    (only,) = told(check_settings(settings))
    assert only.endswith("all tasks of an executor would use its first card; set spark.task.resource.gpu.amount to 1")


def test_worker_reuse_off_is_told_with_its_cost():
    (only,) = told(check_settings({"spark.master": "spark://h:7077", **GPU, "spark.python.worker.reuse": "false"}))
    assert only.startswith(
        "warning: spark settings: spark.python.worker.reuse is false: each task imports torch and loads"
    )


def test_our_own_gpu_conf_has_nothing_to_tell():
    lines = (ROOT / "conf" / "gpu.conf").read_text(encoding="utf-8").splitlines()
    conf = dict(line.split() for line in lines if line.startswith("spark."))
    assert check_settings({"spark.master": "yarn", **conf}) == []
    at_once = int(conf["spark.executor.cores"]) // int(conf["spark.task.cpus"])
    assert tasks_per_gpu(conf, at_once) == 1


@pytest.mark.parametrize(("master", "local"), [("local", True), ("local[4]", True), ("local-cluster[2,1,1024]", False)])
def test_which_master_is_local(master, local):
    assert is_local({"spark.master": master}) is local


@pytest.mark.parametrize(
    ("share", "cards", "at_once", "tasks"),
    [("1", "1", 8, 1), ("0.25", "1", 8, 4), ("0.25", "1", 2, 2), ("0.25", "4", 8, 2), ("0.25", "1", 0, 4)],
)
def test_tasks_on_one_card(share, cards, at_once, tasks):
    settings = {"spark.executor.resource.gpu.amount": cards, "spark.task.resource.gpu.amount": share}
    assert tasks_per_gpu(settings, at_once) == tasks


@pytest.mark.parametrize(("at_once", "tasks"), [(8, 8), (0, 1)])
def test_tasks_that_ask_for_no_gpu_all_use_the_first_card(at_once, tasks):
    assert tasks_per_gpu({}, at_once) == tasks


def test_models_that_cannot_fit_a_card_together_are_refused_with_the_sum():
    settings = {**GPU, "spark.task.resource.gpu.amount": "0.125"}
    (only,) = told(check_gpu_memory([{**GOOD, "card_bytes": 8_000_000_000}], settings, 8, 440_000_000))
    assert only == (
        "refused: host1, executor 7: 8 tasks x (440 MB model + 629 MB) = 8.6 GB; the card has 8.0 GB; "
        "set spark.task.resource.gpu.amount to 1"
    )


def test_models_that_share_a_card_are_told_with_the_sum():
    settings = {**GPU, "spark.task.resource.gpu.amount": "0.5"}
    (only,) = told(check_gpu_memory([{**GOOD, "card_bytes": 80_000_000_000}], settings, 8, 440_000_000))
    assert only.startswith("warning: host1, executor 7: 2 tasks x (440 MB model + 629 MB) = 2.1 GB of a card's 80.0 GB")


@pytest.mark.parametrize(
    ("master", "advice"),
    [
        ("local[16]", "set spark.task.cpus to the N of local[N]"),
        ("spark://h:7077", "set spark.executor.resource.gpu.amount and spark.task.resource.gpu.amount to 1, as conf/"),
    ],
)
def test_tasks_that_crowd_a_card_without_any_gpu_setting_are_refused(master, advice):
    (only,) = told(
        check_gpu_memory([{**GOOD, "card_bytes": 16_000_000_000}], {"spark.master": master}, 16, 440_000_000)
    )
    assert only.startswith("refused: host1, executor 7: 16 tasks x (440 MB model + 629 MB) = 17.1 GB; the card has 16.")
    assert advice in only


def test_one_task_a_card_and_executors_without_cards_have_nothing_to_tell():
    assert check_gpu_memory([{**GOOD, "card_bytes": 8_000_000_000}, GOOD], GPU, 8, 440_000_000) == []


def test_an_executor_like_the_driver_has_nothing_to_tell():
    assert compare_with_driver([DRIVER, GOOD]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"torch": "2.6.0"}, "torch 2.6.0, the driver has 2.13.0; install one version, or --package-env"),
        ({"torch": "2.14.0+cpu"}, "torch 2.14.0+cpu, the driver has 2.13.0; install one version"),
        ({"transformers": "5.24.1"}, "transformers 5.24.1, the driver has 5.24.0; install one version"),
        ({"python": "3.12.7"}, "python 3.12.7, the driver has 3.11.7"),
        ({"model": "bbb"}, "the model is bbb, the driver's is aaa; copy the driver's there"),
        ({"torch": "missing", "problems": ["torch can't be imported"]}, "torch can't be imported"),
    ],
)
def test_an_executor_that_differs_is_refused_and_named(change, message):
    (only,) = told(compare_with_driver([DRIVER, {**GOOD, **change}]))
    assert only.startswith(f"refused: host1, executor 7: {message}")


@pytest.mark.parametrize(
    ("name", "drivers", "executors"),
    [("torch", "2.13.0+cpu", "2.13.0+cu130"), ("torch", "2.13.0", "2.13.0+cpu"), ("python", "3.11.9", "3.11.7")],
)
def test_another_build_or_patch_is_told_and_not_refused(name, drivers, executors):
    (only,) = told(compare_with_driver([{**DRIVER, name: drivers}, {**GOOD, name: executors}]))
    text = f"{name} {executors}, the driver has {drivers}; another build of one release"
    assert only == f"warning: host1, executor 7: {text}"


def test_what_an_executor_warns_of_is_told():
    assert told(compare_with_driver([DRIVER, {**GOOD, "warnings": ["w"]}])) == ["warning: host1, executor 7: w"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "pyspark.errors.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9",
            "Python in worker has different version: 3.9; give executors the driver's Python",
        ),
        (
            'java.io.IOException: Cannot run program "python9": error=2',
            "no Python at python9 there; set PYSPARK_PYTHON",
        ),
        ("Job aborted\n at Java", "Job aborted"),
    ],
)
def test_why_no_executor_could_answer(message, reason):
    assert executor_probe.failure_reason(message).startswith(reason)


@pytest.mark.parametrize(
    ("device", "addresses", "warned"), [("auto", ["0"], True), ("auto", None, False), ("cpu", ["0"], False)]
)
def test_a_gpu_of_sparks_that_torch_does_not_see_is_told(tiny_bert, monkeypatch, device, addresses, warned):
    monkeypatch.setattr("bert_spark.encoding.device.task_gpu_addresses", lambda: addresses)
    facts = executor_probe.executor_facts(EncoderConfig(model=str(tiny_bert), device=device).settings(), None)
    text = "Spark gives this executor a GPU, torch sees none: BERT will run on its CPU"
    assert (facts["device"], facts["problems"], facts.get("warnings", [])) == ("cpu", [], [text] if warned else [])


def test_a_card_that_this_machine_lacks_is_named(tiny_bert, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def properties(device):
        raise AssertionError("Invalid device id")

    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    facts = executor_probe.executor_facts(EncoderConfig(model=str(tiny_bert), device="cuda:3").settings(), None)
    assert facts["problems"] == ["device 'cuda:3' can't be used (Invalid device id)"]


def test_executors_that_did_not_answer_are_counted(spark, tiny_bert, monkeypatch):
    monkeypatch.setattr(preflight, "probe_executors", lambda *_: ([GOOD, GOOD], ""))
    monkeypatch.setattr(preflight, "executor_count", lambda _: 4)
    with pytest.raises(SetupError, match=r"warning: executors: 2 of 4 executors answered; what the others lack"):
        preflight.run_preflight(spark, EncoderConfig(model=str(tiny_bert)), check_only=True)


def test_the_probe_runs_where_this_package_is_not(run_fresh):
    """Pickled whole: an executor without the package names what it lacks."""
    from pyspark.serializers import CloudPickleSerializer

    pickled = CloudPickleSerializer().dumps(executor_probe._probe_function({"model": "x"}, 0.0))
    code = f"""
import sys
sys.modules["bert_spark"] = None
from pyspark.serializers import CloudPickleSerializer
print(CloudPickleSerializer().loads({pickled!r})(0))
"""
    assert "bert_spark can't be used (ModuleNotFoundError" in run_fresh(code)


def test_check_prints_a_table_and_embeds_nothing(spark, tiny_bert, tmp_path, capsys):
    table = tmp_path / "in.csv"
    table.write_text("id,text\n1,hi\n")
    arguments = ["--input", str(table), "--model", str(tiny_bert), "--output", str(tmp_path / "out"), "--check"]
    assert embed.main(arguments) == 0
    printed = capsys.readouterr().out
    header, driver, executor, verdict = printed.strip().splitlines()
    assert header.split() == ["where", "python", "torch", "transformers", "model", "device"]
    assert driver.split()[0] == "driver"
    assert "executor" in executor
    assert executor.split()[-1] == "cpu"
    assert verdict == "ok: nothing found"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("job", [train, search])
def test_check_of_a_job_that_learns_prints_the_table_and_stops(spark, job, tiny_bert, tmp_path, capsys):
    arguments = ["--input", "absent.csv", "--model", str(tiny_bert), "--output", str(tmp_path / "out"), "--check"]
    assert job.main(arguments) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == "ok: nothing found"
    assert not (tmp_path / "out").exists()


def test_a_card_that_is_wanted_and_not_there_is_refused(spark, tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), device="cuda")
    with pytest.raises(SetupError, match=r"refused: .+: device='cuda' but torch sees no GPU here"):
        preflight.run_preflight(spark, config, check_only=True)


def test_local_mode_runs_no_job_of_its_own(spark, tiny_bert, monkeypatch):
    monkeypatch.setattr(preflight, "probe_executors", lambda *_: pytest.fail("a job ran"))
    assert preflight.run_preflight(spark, EncoderConfig(model=str(tiny_bert))) is True


def test_local_tasks_that_share_this_machines_card_are_told(spark, tiny_bert, monkeypatch, caplog):
    """The session has two slots and no setting of a GPU."""
    config = EncoderConfig(model=str(tiny_bert))
    place = executor_probe.driver_facts(config) | {"problems": [], "card_bytes": 80_000_000_000}
    monkeypatch.setattr(preflight, "probe_executors", lambda *_: ([place], ""))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert preflight.run_preflight(spark, config) is True
    assert "2 tasks x (0 MB model + 629 MB) = 1.3 GB of a card's 80.0 GB" in caplog.text
    assert preflight.run_preflight(spark, EncoderConfig(model=str(tiny_bert), device="cpu")) is True
    assert caplog.text.count("2 tasks x") == 1
