"""Staged rows that are gone although their state says that they are complete, as a run that had slept leaves them."""

import shutil

import pytest

from bert_spark.runs.stage import StagedRun
from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of_day, keys_of_files


@pytest.fixture
def killed_before_removal(monkeypatch):
    """Return a function that runs a job, which is killed before it removes its published rows."""

    def removal(stage):
        raise KeyboardInterrupt

    def run(job, *options):
        with monkeypatch.context() as patch:
            patch.setattr(StagedRun, "remove", removal)
            with pytest.raises(KeyboardInterrupt):
                job(*options)

    return run


def lose_rows(folder, how):
    """Remove all folders of staged rows, or the first file of each."""
    for partition in folder.glob("_staging/*/*/*=*"):
        if how == "folder":
            shutil.rmtree(partition)
        else:
            min(partition.glob("part-*.parquet")).unlink()


@pytest.mark.parametrize("how", ["folder", "file"])
def test_a_day_is_encoded_again(nightly, killed_before_removal, how, caplog):
    nightly.write_day(DAYS[0], 3)
    killed_before_removal(nightly.score, "--run-date", DAYS[0], *BY_COLUMN)
    lose_rows(nightly.folder, how)
    assert nightly.score("--run-date", DAYS[0], *BY_COLUMN) == 0
    assert "removing the incomplete rows of a killed run" in caplog.text
    assert nightly.keys() == keys_of_day(DAYS[0], 3)


@pytest.mark.parametrize("how", ["folder", "file"])
def test_published_rows_of_an_increment_stay(stream, killed_before_removal, how):
    killed_before_removal(stream.score)
    lose_rows(stream.nightly.folder, how)
    stream.write_file("c", 3)
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)
