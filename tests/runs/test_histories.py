"""A run dies before or after any step, and a second run follows: every key is there once, and nothing is left behind.

The histories of all steps take more than an hour: `-m slow -s` runs them and prints a table. A sample runs always.
"""

import itertools
import sys

import pytest

from tests.support.histories import (
    GROWN,
    SECOND_RUNS,
    WAYS,
    History,
    Recorder,
    costs_no_bert,
    prepare,
    visible,
    write_files,
)
from tests.support.nightly_runs import NightlyRuns, train_artefact
from tests.support.row_counter import rows_through_python

SAMPLE = {"the same": 3, "a grown input": 2, "another model": 2, "another --work": 2}  # histories of each way


@pytest.fixture(scope="module")
def other_artefact(spark, tiny_bert, tmp_path_factory):
    """Return the folder of an artefact that gives other labels."""
    return train_artefact(tiny_bert, tmp_path_factory.mktemp("other"), sad_every=2)


@pytest.fixture(scope="module")
def labels_of(spark, tmp_path_factory):
    """Return a function: the labels that an uninterrupted run of an artefact gives to all rows, by key."""
    known = {}

    def labels(artefact):
        if artefact not in known:
            nightly = NightlyRuns(spark, artefact, tmp_path_factory.mktemp("uninterrupted"))
            write_files(nightly, {GROWN: 3} | {name: rows for way in WAYS.values() for name, rows in way.files.items()})
            limits = ["--max-missing-share", "1", "--incremental", "--checkpoint", str(nightly.folder / "seen")]
            assert nightly.score("--format", "json", *limits) == 0
            known[artefact] = dict(row for rows in visible(nightly.output).values() for row in rows)
        return known[artefact]

    return labels


@pytest.fixture(scope="module")
def recorded(spark, artefact, tmp_path_factory):
    """Return a function: a way's runs, and the recorder of their last run."""
    known = {}

    def record(name):
        if name not in known:
            nightly = NightlyRuns(spark, artefact, tmp_path_factory.mktemp("runs"))
            prepare(WAYS[name], nightly)
            recorder = Recorder(nightly.folder, tmp_path_factory.mktemp("copies"))
            with recorder.recording(pytest.MonkeyPatch()):
                assert nightly.score(*WAYS[name].command(nightly.folder)) == 0
            known[name] = nightly, recorder
        return known[name]

    return record


def check_histories(way, second, deaths, runs, labels_of, artefact, other_artefact):
    """Run the histories of some deaths; fail with all that went wrong."""
    (nightly, recorder), wrong = runs, []
    for death in deaths:
        recorder.restore(death.tree)
        history = History(WAYS[way], nightly, labels_of(artefact), other_artefact, labels_of(other_artefact))
        with rows_through_python(nightly.spark) as encoded:
            problems = history.problems(second)
        if any(encoded) and second == "the same" and way != "a range" and costs_no_bert(death.tree):
            problems.append("BERT ran")
        wrong += [f"{death.step}, {death.when}: {problem}" for problem in problems]
    sys.stdout.write(f"| {way} | {second} | {len(deaths)} | {len(wrong)} |\n")
    assert wrong == []


PAIRS = list(itertools.product(WAYS, SECOND_RUNS))


@pytest.mark.parametrize(("way", "second"), PAIRS)
def test_a_second_run_after_a_death_publishes_every_key_once(
    recorded, labels_of, artefact, other_artefact, way, second
):
    deaths = recorded(way)[1].deaths
    step = -(-len(deaths) // SAMPLE[second])
    first = PAIRS.index((way, second)) % step  # other moments for each second run
    check_histories(way, second, deaths[first::step], recorded(way), labels_of, artefact, other_artefact)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "second"), PAIRS)
def test_a_second_run_after_each_death_publishes_every_key_once(
    recorded, labels_of, artefact, other_artefact, way, second
):
    deaths = recorded(way)[1].deaths
    check_histories(way, second, deaths, recorded(way), labels_of, artefact, other_artefact)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_third_run_after_two_deaths_publishes_every_key_once(
    recorded, labels_of, artefact, other_artefact, tmp_path, way
):
    nightly, recorder = recorded(way)
    for number, death in enumerate(recorder.deaths[::4]):
        recorder.restore(death.tree)
        second = Recorder(nightly.folder, tmp_path / str(number))
        with second.recording(pytest.MonkeyPatch()):
            assert nightly.score(*WAYS[way].command(nightly.folder)) == 0
        check_histories(way, "the same", second.deaths, (nightly, second), labels_of, artefact, other_artefact)


@pytest.mark.parametrize("way", WAYS)
def test_a_reader_sees_whole_partitions_but_while_one_is_replaced(recorded, way):
    """As docs/scheduled-runs.md promises of a folder of Parquet files."""
    recorder = recorded(way)[1]
    whole = [visible(recorder.deaths[0].tree / "scores"), visible(recorder.deaths[-1].tree / "scores")]
    for death in recorder.deaths:
        seen = visible(death.tree / "scores")
        for partition in seen.keys() | whole[0].keys() | whole[1].keys():
            rows, allowed = seen.get(partition, []), [state.get(partition, []) for state in whole]
            if death.when not in ("before", "after", "after it"):
                assert set(rows) <= {row for rows in allowed for row in rows}, death
            else:
                assert rows in allowed, death
