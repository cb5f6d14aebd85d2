"""On a real cluster: what is left when machines, processes and cards die."""

import psutil
import pytest

from tests.support.keyed_tweets import attempts, check, run
from tests.support.standalone_cluster import rows_of

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("application")]


@pytest.fixture(scope="module")
def application(cluster):
    """Keep one application for all tests here: two executors of one core, one on each Worker."""
    with cluster.application():
        yield


@pytest.mark.parametrize("kind", ["python", "executor"])
def test_a_process_killed_mid_write_costs_no_row(cluster, tiny_bert, tmp_path, kind):
    """The Python worker of a task, or the whole executor: Spark runs the task again."""
    with cluster.killing(kind, tmp_path):
        run(tiny_bert, tmp_path)
    (held,) = cluster.seen("hold")
    assert not psutil.pid_exists(held["pid"])
    tries = attempts(cluster)[held["partition"]]
    assert tries == 2 if kind == "python" else tries >= 2  # with an executor go shuffled rows: its stage may run again
    check(tmp_path, tiny_bert)


def test_out_of_memory_halves_the_batch_once_and_the_job_goes_on(cluster, tiny_bert, tmp_path):
    cluster.inject("oom=3")
    run(tiny_bert, tmp_path, "--token-budget", "1000")  # settings no other test has: an encoder with its budget whole
    check(tmp_path, tiny_bert)
    by_process = {}
    for line in cluster.seen("call"):
        by_process.setdefault(line["pid"], []).append(line["rows"])
    for rows in by_process.values():  # a smaller size, once found, is kept: too many rows are tried at the start only
        too_many = [n for n, count in enumerate(rows) if count > 3]
        assert too_many == list(range(len(too_many)))
        assert 1 <= len(too_many) <= 3


def test_one_text_too_large_for_the_card_gets_its_reason_and_the_others_their_vectors(cluster, tiny_bert, tmp_path):
    table = tmp_path / "four.csv"
    table.write_text("\n".join(["id,text", "1,i am so happy", "2," + "word " * 50, "3,hello", "4,so sad", ""]))
    cluster.inject("oom-tokens=40")
    run(tiny_bert, tmp_path, "--input", str(table), "--token-budget", "1001")
    found = {row["id"]: (row["embedding"] is None, row["error"]) for row in rows_of(tmp_path / "out")}
    assert found.pop("2") == (True, "out of memory for this text alone")
    assert found == {"1": (False, None), "3": (False, None), "4": (False, None)}


def test_a_fatal_error_once_ends_its_process_and_no_later_task_fails_for_it(cluster, tiny_bert, tmp_path):
    cluster.inject("fatal-once")
    run(tiny_bert, tmp_path)
    (broke,) = cluster.seen("broke")
    last = [line for line in cluster.seen("call") if line["pid"] == broke["pid"]][-1]
    assert (last["partition"], last["attempt"]) == (broke["partition"], 0)  # no task after the one it failed
    assert not psutil.pid_exists(broke["pid"])
    assert {part: tries for part, tries in attempts(cluster).items() if tries > 1} == {broke["partition"]: 2}
    check(tmp_path, tiny_bert)


def test_a_fatal_error_every_time_fails_the_job_after_sparks_limit_with_our_message(
    cluster, tiny_bert, tmp_path, caplog
):
    cluster.inject("fatal")
    run(tiny_bert, tmp_path, code=1)
    last = caplog.messages[-1]
    assert last.startswith("DeviceError: the GPU of a task failed on host")
    assert "(CUDA error: device-side assert triggered)" in last
    assert "\n" not in last
    assert max(line["attempt"] for line in cluster.seen("broke")) == 3
