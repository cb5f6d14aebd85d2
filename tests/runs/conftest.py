"""Fixtures of scheduled runs: a trained artefact, an input by day, and an input folder that grows."""

import pytest

from jobs import train
from tests.support.nightly_runs import DAYS, TEXTS, JsonStream, NightlyRuns


@pytest.fixture(scope="session")
def artefact(spark, tiny_bert, tmp_path_factory):
    """Return the folder of a trained artefact."""
    folder = tmp_path_factory.mktemp("artefacts")
    lines = [f"{text} {n},{'joy' if n % 3 else 'sadness'}" for n, text in enumerate(TEXTS * 30)]
    (folder / "train.csv").write_text("\n".join(["text,label", *lines, ""]))
    options = ["--input", str(folder / "train.csv"), "--model", str(tiny_bert), "--output", str(folder / "artefact")]
    assert train.main([*options, "--no-baseline"]) == 0
    return str(folder / "artefact")


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
