"""A text's split is decided by a hash of its folded form and the seed."""

import numpy as np
import pytest

from bert_spark.training.splits import fold_text, split_number


@pytest.mark.parametrize("text", ["Straße  ist\nlang", " STRASSE IST LANG ", "strasse ist\u00a0lang"])
def test_texts_that_differ_in_case_and_white_space_fold_to_one(text):
    assert fold_text(text) == "strasse ist lang"


def test_lone_surrogates_fold():
    assert fold_text("A\ud83d") == "a\ufffd"


@pytest.mark.parametrize("seed", range(20))
def test_texts_with_the_same_folded_form_are_in_one_split(seed):
    assert split_number("Hi  You\ud83d", seed=seed) == split_number("hi you\ufffd", seed=seed)


def test_splits_are_the_same_on_every_machine():
    # printf '0\0a' | sha256sum: the first 16 digits over 2^64 are 0.372 for a, 0.776 for y, 0.928 for j
    assert [split_number(text) for text in "ayj"] == [0, 1, 2]


def test_splits_have_their_shares():
    counts = np.bincount([split_number(f"tweet {i}") for i in range(20_000)])
    # four standard deviations of a binomial of 20,000 are 260 at 0.70 and 202 at 0.15
    assert (np.abs(counts - [14_000, 3_000, 3_000]) < [260, 202, 202]).all()


def test_another_seed_gives_other_splits():
    texts = [f"tweet {i}" for i in range(200)]
    assert [split_number(text, seed=1) for text in texts] != [split_number(text, seed=2) for text in texts]
