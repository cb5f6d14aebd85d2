"""On a real cluster: no row is lost or doubled if a process is killed, memory runs out, or a GPU fails."""

import psutil
import pytest

from tests.support.keyed_tweets import ROWS, check_output, embed_tweets, tasks_per_partition
from tests.support.run_records import run_record
from tests.support.standalone_cluster import rows_of

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("application")]


@pytest.fixture(scope="module")
def application(cluster):
    """Start one application for all tests of this file: two executors of one core, one on each Worker."""
    with cluster.application():
        yield


WAYS = {
    "plain": [],
    "ordered": ["--keep-order"],
    "sized": ["--target-file-mb", "0.03"],
    "day": ["--run-date", "2026-11-24"],
    "increment": ["--incremental", "--checkpoint", "{folder}/seen", "--input", "{folder}/*.csv", "--format", "csv"],
}


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("python", "plain"),
        ("executor", "plain"),
        ("executor", "ordered"),
        ("executor", "sized"),
        ("executor", "day"),
        ("executor", "increment"),
    ],
)
def test_a_process_killed_while_writing_loses_no_row(cluster, tiny_bert, tmp_path, kind, way):
    """Kill the Python worker of a task, or the whole executor: Spark runs the task again and counts its rows once.

    Its vectors differ then in their last bits, as they do where a batch is another one.
    """
    with cluster.killing(kind, tmp_path, also="noise"):
        embed_tweets(tiny_bert, tmp_path, *(option.format(folder=tmp_path) for option in WAYS[way]))
    (killed,) = cluster.logged("hold")
    assert not psutil.pid_exists(killed["pid"])
    tries = tasks_per_partition(cluster)[killed["partition"]]
    assert tries == 2 if kind == "python" else tries >= 2  # shuffled rows are lost with it: their stage may run again
    check_output(tmp_path, tiny_bert)
    record = run_record(tmp_path, "embed")
    assert (record["rows_in"], record["rows_out"]) == (ROWS, ROWS)
    if way == "ordered":
        assert {row["row_number"] for row in rows_of(tmp_path / "out")} == set(range(ROWS))
        assert all(int(row["id"]) == row["row_number"] for row in rows_of(tmp_path / "out"))


def test_out_of_memory_halves_the_batch_once_and_the_job_goes_on(cluster, tiny_bert, tmp_path):
    cluster.inject("oom=3")
    # no other test has these settings, so that the encoder starts with its full budget
    embed_tweets(tiny_bert, tmp_path, "--token-budget", "1000")
    check_output(tmp_path, tiny_bert)
    by_process = {}
    for line in cluster.logged("call"):
        by_process.setdefault(line["pid"], []).append(line["rows"])
    for rows in by_process.values():  # the smaller budget stays: too many rows are tried at the start only
        too_large = [n for n, count in enumerate(rows) if count > 3]
        assert too_large == list(range(len(too_large)))
        assert 1 <= len(too_large) <= 3


def test_a_text_too_large_for_the_gpu_gets_its_reason_and_the_others_their_vectors(cluster, tiny_bert, tmp_path):
    table = tmp_path / "four.csv"
    table.write_text("\n".join(["id,text", "1,i am so happy", "2," + "word " * 50, "3,hello", "4,so sad", ""]))
    cluster.inject("oom-tokens=40")
    embed_tweets(tiny_bert, tmp_path, "--input", str(table), "--token-budget", "1001")
    found = {row["id"]: (row["embedding"] is None, row["error"]) for row in rows_of(tmp_path / "out")}
    assert found.pop("2") == (True, "out of memory for this text alone")
    assert found == {"1": (False, None), "3": (False, None), "4": (False, None)}


def test_a_fatal_cuda_error_ends_its_process_and_fails_no_later_task(cluster, tiny_bert, tmp_path):
    cluster.inject("fatal-once")
    embed_tweets(tiny_bert, tmp_path)
    (failed,) = cluster.logged("broke")
    last = [line for line in cluster.logged("call") if line["pid"] == failed["pid"]][-1]
    # the process ran no task after the one that failed
    assert (last["partition"], last["attempt"]) == (failed["partition"], 0)
    assert not psutil.pid_exists(failed["pid"])
    repeated = {partition: tasks for partition, tasks in tasks_per_partition(cluster).items() if tasks > 1}
    assert repeated == {failed["partition"]: 2}
    check_output(tmp_path, tiny_bert)


def test_a_fatal_cuda_error_in_every_attempt_fails_the_job_with_a_device_error(cluster, tiny_bert, tmp_path, caplog):
    cluster.inject("fatal")
    embed_tweets(tiny_bert, tmp_path, code=1)
    last = caplog.messages[-1]
    assert last.startswith("DeviceError: the GPU of a task failed on host")
    assert "(CUDA error: device-side assert triggered)" in last
    assert "\n" not in last
    assert max(line["attempt"] for line in cluster.logged("broke")) == 3
