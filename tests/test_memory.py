"""The memory that a process can take is bounded by its machine and by its control groups, here in folders of a test."""

import pytest

from bert_spark.errors import DataError
from bert_spark.memory import available_bytes, check_fits

GIB = 1 << 30
V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.fixture
def root(tmp_path):
    """Return a folder with the files of a machine that has 8 GiB free."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text(
        f"MemTotal: {16 << 20} kB\nMemAvailable: {8 << 20} kB\nHugePages_Total: 0\n"
    )
    return tmp_path


def put_into_group(root, line, folder, names, limit, taken=0, cache=0):
    """Make the process a member of a control group."""
    (root / "proc" / "self" / "cgroup").write_text(f"3:cpuset:/\n{line}\n")
    group = root / folder
    group.mkdir(parents=True)
    (group / names[0]).write_text(f"{limit}\n")
    (group / names[1]).write_text(f"{taken}\n")
    (group / "memory.stat").write_text(f"anon 5\n{names[2]} {cache}\n")


def test_a_machine_without_groups_has_what_is_free(root):
    assert available_bytes(root) == 8 * GIB


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [
        ("0::/", "sys/fs/cgroup", V2),
        ("0::/pod/container", "sys/fs/cgroup/pod/container", V2),
        ("0::/pod/container", "sys/fs/cgroup/pod", V2),  # the limit of a group above
        ("0::/docker/1234", "sys/fs/cgroup", V2),  # a container sees its own group as the root
        ("7:memory:/yarn/container_1", "sys/fs/cgroup/memory/yarn/container_1", V1),
        ("7:memory:/docker/1234", "sys/fs/cgroup/memory", V1),
    ],
)
def test_a_group_bounds_its_processes_and_its_cache_counts_as_free(root, line, folder, names):
    put_into_group(root, line, folder, names, limit=4 * GIB, taken=3 * GIB, cache=GIB // 2)
    assert available_bytes(root) == 1.5 * GIB


@pytest.mark.parametrize("limit", ["max", 1 << 62])
def test_a_group_without_a_limit_bounds_nothing(root, limit):
    put_into_group(root, "0::/", "sys/fs/cgroup", V2, limit)
    assert available_bytes(root) == 8 * GIB


def test_a_group_beyond_its_limit_has_nothing_left(root):
    put_into_group(root, "0::/", "sys/fs/cgroup", V2, GIB, taken=2 * GIB)
    assert available_bytes(root) == 0


def test_a_matrix_that_does_not_fit_is_refused_with_the_arithmetic():
    check_fits(1000, 768, available=1000 * 768 * 16)
    with pytest.raises(DataError, match=r"1,000 rows x 768 numbers .* take about 999 rows \(--max-rows\)"):
        check_fits(1000, 768, available=1000 * 768 * 16 - 1)
