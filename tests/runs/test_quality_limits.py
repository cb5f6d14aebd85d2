"""Limits on shares of rows, and the distance between two distributions of labels."""

import pytest

from bert_spark.errors import ConfigError
from bert_spark.runs.config import LimitsConfig
from bert_spark.runs.quality_limits import check_label_shift_known, label_shift, limit_violations

GOOD = {"rows_in": 100, "rows_out": 100, "rows_missing": 10, "rows_malformed": 1, "rows_failed": 0}


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({}, []),
        ({"rows_missing": 11}, ["rows without a text: 11.00%, max_missing_share allows 10.00%"]),
        ({"rows_failed": 1}, ["malformed or failed rows: 2.00%, max_error_share allows 1.00%"]),
        ({"rows_in": 101}, ["101 records went in and 100 rows came out"]),
        ({"label_shift": 0.9}, []),
        ({"rows_read": 200, "rows_without_date": 100}, []),
        (
            {"rows_read": 300, "rows_without_date": 200},
            ["records without a date that --date-format reads: 66.67%, max_undated_share allows 50.00%"],
        ),
        (
            dict.fromkeys(GOOD, 0) | {"rows_read": 300, "rows_without_date": 1},
            ["records without a date that --date-format reads: 100.00%, max_undated_share allows 50.00%"],
        ),
        (dict.fromkeys(GOOD, 0) | {"rows_read": 300, "rows_without_date": 0}, []),
        ({"rows_before": 200, "rows_removed": 100}, []),
        (
            {"rows_before": 200, "rows_removed": 101},
            ["rows that the input no longer has: 50.50%, max_removed_share allows 50.00%"],
        ),
        (dict.fromkeys(GOOD, 0) | {"rows_before": 0, "rows_removed": 0}, []),
        (dict.fromkeys(GOOD, 0), []),
    ],
)
def test_violations_of_the_default_limits(changes, violations):
    assert limit_violations(GOOD | changes, LimitsConfig()) == violations


def test_a_label_shift_above_its_limit_is_a_violation():
    (violation,) = limit_violations(GOOD | {"label_shift": 0.25}, LimitsConfig(max_label_shift=0.2))
    assert violation == (
        "distance between the labels and those of the training rows: 25.00%, max_label_shift allows 20.00%"
    )


@pytest.mark.parametrize(
    ("labels", "trained", "distance"),
    [
        ({"a": 1, "b": 1}, {"a": 0.5, "b": 0.5}, 0.0),
        ({"a": 4, "b": 0}, {"a": 0.5, "b": 0.5}, 0.5),
        ({"a": 3}, {"b": 1.0}, 1.0),
        ({"a": 0}, {"a": 1.0}, None),
        ({"a": 1}, {}, None),
    ],
)
def test_total_variation_distance(labels, trained, distance):
    assert label_shift(labels, trained) == distance


def test_max_label_shift_without_training_labels_is_refused():
    with pytest.raises(ConfigError, match=r"max_label_shift=0.1 needs the labels of the training rows"):
        check_label_shift_known(LimitsConfig(max_label_shift=0.1), {})
