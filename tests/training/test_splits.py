"""Rows are split by a hash of their text, and splits that cannot be used are refused."""

import numpy as np
import pytest

from bert_spark.errors import DataError
from bert_spark.training.examples import Examples
from bert_spark.training.splits import check_splits, count_conflicting_texts, split_examples
from tests.support.separable_examples import EXAMPLES, LABELS, TEXTS


def test_texts_that_fold_alike_are_in_one_split():
    parts = split_examples(
        Examples(["Hi  there", "hi there ", *TEXTS], np.zeros((92, 1), np.float32), np.arange(92)), seed=0
    )
    containing = [name for name, part in parts.items() if {0, 1} & set(part.labels.tolist())]
    assert len(containing) == 1
    assert sum(len(part.texts) for part in parts.values()) == 92


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["joy"] * 90, r"labels hold 1 class \(\['joy'\]\)"),
        ([1, "joy"] * 45, r"labels are of the types \['int', 'str'\]; expected one"),
        (["joy ", "sad"] * 45, r"labels \['joy '\] are blank or have blanks around them"),
        (["", "sad"] * 45, r"labels \[''\] are blank"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        check_splits(TEXTS, labels, seed=0)


def test_class_absent_from_training_gives_a_warning():
    held_out = split_examples(EXAMPLES, seed=0)["test"].texts[0]
    labels = ["new" if text == held_out else label for text, label in zip(TEXTS, LABELS.tolist(), strict=True)]
    warnings = check_splits(TEXTS, labels, seed=0)
    assert "class 'new' has no row in train: it can never be predicted" in warnings
    assert "class 'new' has 1 row in test: its metrics there are unreliable" in warnings


def test_too_few_rows_to_split_are_refused():
    with pytest.raises(DataError, match="split of 2 rows is empty; train on more rows"):
        check_splits(["a", "b"], ["x", "y"], seed=0)


def test_conflicting_labels_are_counted_by_folded_text():
    assert count_conflicting_texts(["Hi", "hi ", "yes", "yes"], ["a", "b", "a", "a"]) == 1
