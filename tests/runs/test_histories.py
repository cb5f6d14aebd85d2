"""A run dies before or after any step, and a second run follows: every key is there once, and nothing is left behind.

The histories of all steps take more than an hour: `-m slow -s` runs them and prints a table. A sample runs always.
"""

import itertools

import pytest

from tests.support.histories import SECOND_RUNS, WAYS, Recorder, visible
from tests.support.nightly_runs import NightlyRuns

SAMPLE = {"the same": 3, "a grown input": 2, "another model": 2, "another --work": 2}  # histories of each way


PAIRS = list(itertools.product(WAYS, SECOND_RUNS))


@pytest.fixture(scope="module")
def histories(spark, artefact, tmp_path_factory, histories_of):
    """Return the histories of runs into a folder of Parquet files."""
    return histories_of(lambda: NightlyRuns(spark, artefact, tmp_path_factory.mktemp("runs")))


@pytest.mark.parametrize(("way", "second"), PAIRS)
def test_a_second_run_after_a_death_publishes_every_key_once(histories, way, second):
    first = PAIRS.index((way, second))  # other moments for each second run
    histories.check(way, second, histories.sample(way, SAMPLE[second], first))


@pytest.mark.slow
@pytest.mark.parametrize(("way", "second"), PAIRS)
def test_a_second_run_after_each_death_publishes_every_key_once(histories, way, second):
    histories.check(way, second, histories.recorded(way)[1].deaths)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_third_run_after_two_deaths_publishes_every_key_once(histories, tmp_path, way):
    nightly, recorder = histories.recorded(way)
    for number, death in enumerate(recorder.deaths[::4]):
        recorder.restore(death.tree)
        second = Recorder(nightly.folder, tmp_path / str(number))
        with second.recording(pytest.MonkeyPatch()):
            assert nightly.score(*WAYS[way].command(nightly.folder)) == 0
        histories.check(way, "the same", second.deaths, (nightly, second))


@pytest.mark.parametrize("way", WAYS)
def test_a_reader_sees_whole_partitions_but_while_one_is_replaced(histories, way):
    """As docs/scheduled-runs.md promises of a folder of Parquet files."""
    recorder = histories.recorded(way)[1]
    whole = [visible(recorder.deaths[0].tree / "scores"), visible(recorder.deaths[-1].tree / "scores")]
    for death in recorder.deaths:
        seen = visible(death.tree / "scores")
        for partition in seen.keys() | whole[0].keys() | whole[1].keys():
            rows, allowed = seen.get(partition, []), [state.get(partition, []) for state in whole]
            if death.when not in ("before", "after", "after it"):
                assert set(rows) <= {row for rows in allowed for row in rows}, death
            else:
                assert rows in allowed, death
