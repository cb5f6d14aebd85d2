"""On a real cluster: which device a task uses, how often a model is loaded, and what is left when things die."""

import logging
import os
import signal
from collections import Counter

import numpy as np
import psutil
import pytest
from cluster import ROOT, rows_of

from bert_spark import BertEncoder, EncoderConfig

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.cluster
pytest_plugins = ["cluster"]
EMBED = ROOT / "jobs" / "embed.py"
APP = ROOT / "tests" / "devices_app.py"
ROWS = 1200
TWO = {"spark.cores.max": "2"}  # one executor on each Worker
BOTH = {**TWO, "spark.executor.cores": "2", "spark.executor.resource.gpu.amount": "2"}  # one executor in all


@pytest.mark.parametrize("conf", [{}, BOTH], ids=["one GPU an executor", "both GPUs in one executor"])
def test_tasks_at_once_have_different_devices_and_each_process_loads_once_on_each(cluster, tiny_bert, conf, tmp_path):
    """Two embeddings of 200 partitions each, in one application; two executors a host, or one with both cards."""
    run = cluster.submit(APP, tiny_bert, tmp_path / "out", fault="cards", conf=conf)
    run.wait()
    loads = run.side("load")
    processes = Counter((pid, device) for pid, device, _ in loads)
    logger.info("process, device, executor: %s", loads)
    assert set(processes.values()) == {1}
    hosts = Counter(device for _, device, _ in loads)
    assert set(hosts) == {"cuda:0", "cuda:1"}
    assert hosts == {"cuda:0": 2, "cuda:1": 2} or conf
    for job in ("one", "two"):
        assert sorted(row["id"] for row in rows_of(tmp_path / "out" / job)) == list(range(2000))


@pytest.fixture(scope="module")
def tweets(tmp_path_factory):
    """Return a csv of texts that all differ."""
    path = tmp_path_factory.mktemp("tweets") / "tweets.csv"
    lines = [f"{number},i am so happy today number {number}" for number in range(ROWS)]
    path.write_text("\n".join(["id,text", *lines, ""]))
    return path


@pytest.fixture(scope="module")
def expected(tiny_bert):
    """Return the right vectors, by id."""
    texts = [f"i am so happy today number {number}" for number in range(ROWS)]
    return BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu")).encode(texts)


@pytest.fixture
def embed(cluster, tiny_bert, tweets, tmp_path):
    """Return a function that starts jobs/embed.py on the cluster: about 2 kB of text a task, 24 tasks."""

    def start(conf=None, **options):
        size = tweets.stat().st_size / 24 / 1e6
        arguments = ["--input", tweets, "--model", tiny_bert, "--output", tmp_path / "out", "--partition-mb", size]
        return cluster.submit(EMBED, *arguments, conf=TWO | (conf or {}), **options)

    return start


def check(folder, expected):
    """Compare the output with what must be there: every key once, each beside its own vector."""
    rows = rows_of(folder)
    keys = Counter(int(row["id"]) for row in rows)
    most = max(keys.values())
    logger.info("keys: %d expected, %d rows, %d different, %d time(s) at most", ROWS, len(rows), len(keys), most)
    assert keys == Counter(range(ROWS))
    assert {row["error"] for row in rows} == {None}
    found = np.array([row["embedding"] for row in sorted(rows, key=lambda row: int(row["id"]))])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def written(folder):
    """Return the files of finished tasks that a running job has not published yet."""
    return list((folder / "_temporary").rglob("task_*/*.parquet"))


def test_an_executor_killed_mid_write_costs_no_row(cluster, embed, tmp_path, expected):
    run = embed(fault="slow=0.3")
    run.until(lambda: len(written(tmp_path / "out")) >= 4)
    victims = cluster.executors()
    victims[0].send_signal(signal.SIGKILL)
    run.wait()
    assert "Lost executor" in run.output
    check(tmp_path / "out", expected)


def test_a_python_worker_killed_costs_no_row(embed, tmp_path, expected):
    run = embed(fault="slow=0.3")
    run.until(lambda: len(written(tmp_path / "out")) >= 2)
    victim = int(run.side("call")[-1][0])
    os.kill(victim, signal.SIGKILL)
    run.wait()
    assert "Python worker exited unexpectedly (crashed)" in run.output
    check(tmp_path / "out", expected)


def test_speculative_copies_double_no_row(embed, tmp_path, expected):
    conf = {
        "spark.speculation": "true",
        "spark.speculation.quantile": "0.1",
        "spark.speculation.multiplier": "1.1",
        "spark.speculation.interval": "100ms",
        "spark.speculation.minTaskRuntime": "100ms",
    }
    run = embed(fault="slow=0.2,straggler=8", conf=conf)
    run.wait()
    assert "speculat" in run.output
    check(tmp_path / "out", expected)


def test_out_of_memory_halves_the_batch_once_and_the_job_goes_on(embed, tmp_path, expected):
    run = embed(fault="oom=12")
    run.wait()
    check(tmp_path / "out", expected)
    by_process = {}
    for pid, rows in run.side("call"):
        by_process.setdefault(pid, []).append(int(rows))
    for rows in by_process.values():  # a smaller size, once found, is kept: too many rows are tried at the start only
        too_many = [n for n, count in enumerate(rows) if count > 12]
        assert too_many == list(range(len(too_many)))
        assert 1 <= len(too_many) <= 3


def test_one_text_too_large_for_the_card_gets_its_reason_and_the_others_their_vectors(cluster, tiny_bert, tmp_path):
    table = tmp_path / "tweets.csv"
    table.write_text("\n".join(["id,text", "1,i am so happy", "2," + "word " * 50, "3,hello", "4,so sad", ""]))
    arguments = ["--input", table, "--model", tiny_bert, "--output", tmp_path / "out"]
    cluster.submit(EMBED, *arguments, fault="oom-tokens=40").wait()
    found = {row["id"]: (row["embedding"] is None, row["error"]) for row in rows_of(tmp_path / "out")}
    assert found.pop("2") == (True, "out of memory for this text alone")
    assert found == {"1": (False, None), "3": (False, None), "4": (False, None)}


def test_a_fatal_error_once_ends_its_process_and_no_later_task_fails_for_it(embed, tmp_path, expected):
    run = embed(fault="fatal-once,slow=0.1")
    run.wait()
    assert run.output.count("DeviceError: the GPU of a task failed on host") >= 1
    broke, *others = [words[0] for words in run.side("broke")]
    assert others == []
    calls = [pid for pid, _ in run.side("call")]
    assert broke not in calls[calls.index(broke) + 1 :]
    assert not psutil.pid_exists(int(broke))
    check(tmp_path / "out", expected)


def test_a_fatal_error_every_time_fails_the_job_after_sparks_limit_with_our_message(embed):
    run = embed(fault="fatal")
    run.wait(code=1)
    last = run.output.strip().splitlines()[-1]
    assert "DeviceError: the GPU of a task failed on host" in last
    assert "(CUDA error: device-side assert triggered)" in last
    assert len({words[0] for words in run.side("broke")}) >= 4
