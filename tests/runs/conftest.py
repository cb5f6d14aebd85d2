"""Fixtures of scheduled runs: a trained artefact, an input by day, and an input folder that grows."""

import functools

import pytest

from tests.support.histories import GROWN, WAYS, Histories, visible, write_files
from tests.support.nightly_runs import DAYS, JsonStream, NightlyRuns, train_artefact


@pytest.fixture(scope="session")
def artefact(spark, tiny_bert, tmp_path_factory):
    """Return the folder of a trained artefact."""
    return train_artefact(tiny_bert, tmp_path_factory.mktemp("artefacts"), sad_every=3)


@pytest.fixture
def nightly(spark, artefact, tmp_path):
    """Return scheduled runs without input yet."""
    return NightlyRuns(spark, artefact, tmp_path)


@pytest.fixture
def three_days(nightly):
    """Return scheduled runs whose input holds three days: 5, 6 and 7 rows."""
    for n, day in enumerate(DAYS):
        nightly.write_day(day, 5 + n)
    return nightly


@pytest.fixture
def stream(nightly):
    """Return a stream with two files, a and b: 4 and 5 rows."""
    growing = JsonStream(nightly)
    growing.write_file("a", 4)
    growing.write_file("b", 5)
    return growing


@pytest.fixture(scope="session")
def histories_of(spark, artefact, tiny_bert, tmp_path_factory):
    """Return a function: the histories of runs that a function starts."""

    def labels(of):
        """Return the labels that an uninterrupted run of an artefact gives to all rows, by key."""
        nightly = NightlyRuns(spark, of, tmp_path_factory.mktemp("uninterrupted"))
        write_files(nightly, {GROWN: 3} | {name: rows for way in WAYS.values() for name, rows in way.files.items()})
        limits = ["--max-missing-share", "1", "--incremental", "--checkpoint", str(nightly.folder / "seen")]
        assert nightly.score("--format", "json", *limits) == 0
        return dict(row for rows in visible(nightly.output).values() for row in rows)

    @functools.cache
    def other():
        """Return an artefact that gives other labels, and its labels."""
        other_artefact = train_artefact(tiny_bert, tmp_path_factory.mktemp("other"), sad_every=2)
        return other_artefact, labels(other_artefact)

    known = labels(artefact)
    return lambda start: Histories(start, lambda: tmp_path_factory.mktemp("copies"), known, other)
