"""The names of time zones with equal clocks."""

import pytest

from bert_spark.runs.day_zone import _is_same_zone


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("UTC", "Etc/UTC", True),
        ("UTC", "Etc/GMT", True),
        ("UTC", "Europe/London", False),  # equal in winter only
        ("UTC", "no zone", False),
        ("+02:00", "+02:00", True),
    ],
)
def test_zones_are_compared_by_their_clocks(one, other, same):
    assert _is_same_zone(one, other) == same
