"""The pre-flight refuses executors that differ from the driver. With --check it prints a table."""

import pytest
import torch

from bert_spark import EncoderConfig
from bert_spark.errors import SetupError
from bert_spark.spark import preflight
from bert_spark.spark.preflight import compare_with_driver
from bert_spark.spark.process_facts import driver_facts
from jobs import embed, search, train

DRIVER = {"where": "driver", "python": "3.11.7", "torch": "2.13.0", "transformers": "5.24.0", "model": "aaa"}
SAME = {**DRIVER, "where": "host1, executor 7", "problems": []}


def messages(findings):
    return [str(finding) for finding in findings]


def test_an_executor_like_the_driver_has_no_findings():
    assert compare_with_driver(DRIVER, [SAME]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"torch": "2.6.0"}, "torch 2.6.0, the driver has 2.13.0; install one version, or use --package-env"),
        ({"torch": "2.14.0+cpu"}, "torch 2.14.0+cpu, the driver has 2.13.0; install one version"),
        ({"transformers": "5.24.1"}, "transformers 5.24.1, the driver has 5.24.0; install one version"),
        ({"python": "3.12.7"}, "python 3.12.7, the driver has 3.11.7"),
        ({"model": "bbb"}, "the model is bbb, the driver's is aaa; copy the driver's model there"),
        ({"torch": "missing", "problems": ["torch can't be imported"]}, "torch can't be imported"),
    ],
)
def test_an_executor_that_differs_is_refused(change, message):
    (only,) = messages(compare_with_driver(DRIVER, [{**SAME, **change}]))
    assert only.startswith(f"refused: host1, executor 7: {message}")


@pytest.mark.parametrize(
    ("name", "drivers", "executors"),
    [("torch", "2.13.0+cpu", "2.13.0+cu130"), ("torch", "2.13.0", "2.13.0+cpu"), ("python", "3.11.9", "3.11.7")],
)
def test_another_build_or_patch_is_a_warning(name, drivers, executors):
    (only,) = messages(compare_with_driver({**DRIVER, name: drivers}, [{**SAME, name: executors}]))
    text = f"{name} {executors}, the driver has {drivers}; another build of one release"
    assert only == f"warning: host1, executor 7: {text}"


def test_the_warnings_of_an_executor_are_reported():
    assert messages(compare_with_driver(DRIVER, [{**SAME, "warnings": ["w"]}])) == ["warning: host1, executor 7: w"]


def test_executors_that_did_not_answer_are_counted(spark, tiny_bert, monkeypatch):
    monkeypatch.setattr(preflight, "probe_executors", lambda *_: ([SAME, SAME], ""))
    monkeypatch.setattr(preflight, "executor_count", lambda _: 4)
    with pytest.raises(SetupError, match=r"warning: executors: 2 of 4 executors answered; what the others lack"):
        preflight.run_preflight(spark, EncoderConfig(model=str(tiny_bert)), check_only=True)


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
def test_check_of_train_and_search_prints_a_table_and_stops(spark, job, tiny_bert, tmp_path, capsys):
    arguments = ["--input", "absent.csv", "--model", str(tiny_bert), "--output", str(tmp_path / "out"), "--check"]
    assert job.main(arguments) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == "ok: nothing found"
    assert not (tmp_path / "out").exists()


def test_a_requested_gpu_that_does_not_exist_is_refused(spark, tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), device="cuda")
    with pytest.raises(SetupError, match=r"refused: .+: device='cuda' but torch sees no GPU here"):
        preflight.run_preflight(spark, config, check_only=True)


def test_the_preflight_of_a_local_run_without_a_gpu_loads_no_model_library(run_fresh, tiny_bert):
    code = f"""
import sys
from types import SimpleNamespace
from bert_spark import EncoderConfig
from bert_spark.encoding import device
from bert_spark.spark.preflight import run_preflight
device._GPU_FILES = ("/dev/no-such-file",)
spark = SimpleNamespace(conf={{"spark.master": "local[2]"}})
print(run_preflight(spark, EncoderConfig(model={str(tiny_bert)!r})), {{"torch", "transformers"}} & set(sys.modules))
"""
    assert run_fresh(code) == "True set()"


def test_local_mode_does_not_ask_executors(spark, tiny_bert, monkeypatch):
    monkeypatch.setattr(preflight, "probe_executors", lambda *_: pytest.fail("a job ran"))
    assert preflight.run_preflight(spark, EncoderConfig(model=str(tiny_bert))) is True


def test_local_tasks_that_share_a_gpu_are_a_warning(spark, tiny_bert, monkeypatch, caplog):
    """The session runs two tasks at once and has no GPU setting."""
    config = EncoderConfig(model=str(tiny_bert))
    executor = driver_facts(config) | {"problems": [], "card_bytes": 80_000_000_000}
    monkeypatch.setattr(preflight, "probe_executors", lambda *_: ([executor], ""))
    monkeypatch.setattr(preflight, "may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert preflight.run_preflight(spark, config) is True
    assert "2 tasks x (0 MB model + 629 MB) = 1.3 GB of the GPU's 80.0 GB" in caplog.text
    assert preflight.run_preflight(spark, EncoderConfig(model=str(tiny_bert), device="cpu")) is True
    assert caplog.text.count("2 tasks x") == 1
