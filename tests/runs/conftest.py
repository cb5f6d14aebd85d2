"""Fixtures of scheduled runs: a trained artefact, an input by day, and an input folder that grows."""

import pytest

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
