"""Which labels a classifier can learn."""

from decimal import Decimal

import pytest

from bert_spark.errors import DataError
from bert_spark.training.labels import as_classes, check_labels


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0.0, 1.0, 4.0], [0, 1, 4]),
        ([Decimal("0.00"), Decimal("1")], [0, 1]),
        ([0.0, 0.5], [0.0, 0.5]),
        ([1.0, float("inf")], [1.0, float("inf")]),
        (["0.0", "1.0"], ["0.0", "1.0"]),
        ([True, False], [True, False]),
        ([], []),
    ],
)
def test_floats_and_decimals_are_ints_if_all_are_whole(labels, classes):
    found = as_classes(labels)
    assert (found, [*map(type, found)]) == (classes, [*map(type, classes)])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.25, 1.0], r"labels are numbers such as \['0.25', '1.0'\]; expected classes"),
        ([1.0, float("inf")], "labels are numbers such as"),
        ([Decimal("1.5")], "labels are numbers such as"),
        (["joy", " sad"], r"labels \[' sad'\] are blank or have blanks around them; set --trim-labels"),
        (["joy", "\t"], "are blank or have blanks"),
        (["joy", 1], r"labels are of the types \['int', 'str'\]"),
        (["joy", "joy"], "labels hold 1 class"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        check_labels(labels)
