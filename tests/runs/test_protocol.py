"""Every history of two runs of one day, over the real code: whatever dies or sleeps, no key is lost or doubled."""

import logging
import random

import pytest

from bert_spark.runs import daily, lock, output_lock
from bert_spark.runs.stage import STATE_FILE, StagedRun, remove_stage
from tests.support.interleavings import every_history
from tests.support.protocol import Place, World, claim_at_once, faked_spark

logger = logging.getLogger(__name__)


@pytest.fixture
def explore(monkeypatch, caplog):
    """Return a function that visits every history and returns how many states there are, and what went wrong.

    With `limit` it visits histories in random order, until they have that many states.
    """

    def visit(kills=0, sleeps=0, whole_claims=True, put_back=None, limit=None):
        current, errors, counts = [], set(), []

        def start():
            current[:] = [World(kills, sleeps)]
            return current[0].history

        with caplog.at_level(logging.ERROR), faked_spark(monkeypatch) as patch:
            if whole_claims:
                patch.setattr(lock, "_claim", claim_at_once)
            for (owner, name), fault in (put_back or {}).items():
                patch.setattr(owner, name, fault)
            chance = random.Random(0)
            pick = (lambda prefixes: chance.randrange(len(prefixes))) if put_back or limit else (lambda _: -1)
            for states, complete in every_history(start, pick):
                counts.append(states)
                if complete:
                    current[0].run_again()
                errors.update(current[0].errors)
                if (errors and put_back) or (limit and states >= limit):
                    break
        logger.info("%d histories, %d states, %s", len(counts), counts[-1], errors or "nothing lost")
        return counts[-1], errors

    return visit


def test_whatever_is_killed_the_next_run_completes_the_day(explore):
    states, errors = explore(kills=1)
    assert states > 900
    assert not errors


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "whole_claims", "least"), [(2, True, 1000), (1, False, 6000)])
def test_two_kills_and_kills_within_a_claim_lose_nothing(explore, kills, whole_claims, least):
    states, errors = explore(kills, whole_claims=whole_claims)
    assert states > least
    assert not errors


@pytest.mark.slow
def test_a_run_whose_machine_slept_stops_before_it_replaces_anything(explore):
    """Of the histories with a sleep there are too many to visit them all."""
    states, errors = explore(sleeps=1, limit=30_000)
    assert states >= 30_000
    assert not errors


def clock_ahead(folder, name, holder):
    """Compare clocks, as version 0.1 did, where the second run's clock is an hour ahead."""
    return name != "second.json"


def remove_rows_first(stage):
    """Remove a stage without a word in its state that its removal has begun."""
    for name in stage.folder.names():
        if name != STATE_FILE:
            stage.folder.remove(name)
    parent, _, name = stage.folder.uri.rpartition("/")
    Place(parent).remove(name)


def remove_without_a_look(run, stage):
    """Remove what another run has staged, whoever holds the lock."""
    remove_stage(run.spark, stage)


@pytest.mark.parametrize(
    ("faults", "moves"),
    [
        ({(lock, "_is_dead"): clock_ahead}, {}),
        ({(StagedRun, "remove"): remove_rows_first, (StagedRun, "has_lost_rows"): lambda *_: False}, {"kills": 1}),
        ({(output_lock.OutputLock, "check"): lambda _: None}, {"sleeps": 1}),
        pytest.param({(daily, "_remove_earlier_stage"): remove_without_a_look}, {"sleeps": 1}, marks=pytest.mark.slow),
        pytest.param({(daily, "rows_differ"): lambda _: False}, {"sleeps": 1}, marks=pytest.mark.slow),
    ],
    ids=[
        "clocks compared",
        "rows removed before the mark",
        "no look at the lock before replacing",
        "no look at the lock before removing",
        "rows published that differ from the input",
    ],
)
def test_a_fault_that_is_put_back_is_found(explore, faults, moves):
    _, errors = explore(**moves, put_back=faults)
    assert errors
