"""LetterGroupCounts gives what scikit-learn's vectorizer gives, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from bert_spark.estimators.letter_groups import LetterGroupCounts
from tests.support.separable_examples import TEXTS

ODD = [
    "",
    " \t",
    "a",
    "İstanbul ISTANBUL",
    "a\u00a0b\x1cc",
    "😀😀 so so SO happy",
    "x" * 300,
    "#yes @user http://t.co/x",
]


@pytest.mark.parametrize("ngram_range", [(2, 5), (1, 1), (4, 6)])
@pytest.mark.parametrize("min_df", [1, 2])
def test_counts_and_names_are_those_of_scikit_learn(ngram_range, min_df):
    texts = [*TEXTS[:40], *ODD, *ODD]
    reference = CountVectorizer(analyzer="char_wb", ngram_range=ngram_range, min_df=min_df)
    actual = LetterGroupCounts(ngram_range, min_df)
    np.testing.assert_array_equal(actual.fit_transform(texts).toarray(), reference.fit_transform(texts).toarray())
    assert actual.get_feature_names_out().tolist() == reference.get_feature_names_out().tolist()
    unseen = ["", "an unseen happier text", *ODD]
    np.testing.assert_array_equal(actual.transform(unseen).toarray(), reference.transform(unseen).toarray())


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_any_texts_are_counted_as_scikit_learn_counts_them(texts):
    fitted = LetterGroupCounts(min_df=1).fit([*texts, "some words"])
    reference = CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)).fit([*texts, "some words"])
    np.testing.assert_array_equal(fitted.transform(texts).toarray(), reference.transform(texts).toarray())


def test_tf_idf_is_equal_to_the_last_bit():
    options = {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 3}
    expected = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options).fit_transform(TEXTS)
    actual = make_pipeline(LetterGroupCounts(), TfidfTransformer(sublinear_tf=True)).fit_transform(TEXTS)
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual.toarray(), expected.toarray())


def test_a_group_that_is_too_rare_is_refused_with_the_setting():
    with pytest.raises(ValueError, match=r"no group of \(2, 5\) letters is in min_df=3 texts; lower min_df"):
        LetterGroupCounts().fit(["one", "two"])


def test_an_unfitted_step_says_so():
    with pytest.raises(NotFittedError):
        LetterGroupCounts().transform(["a"])


@pytest.mark.parametrize("column", [-1, 10**6])
def test_a_vocabulary_from_a_forged_file_never_points_outside_the_matrix(column):
    fitted = LetterGroupCounts(min_df=1).fit(["some words"])
    fitted.vocabulary_ = dict.fromkeys(fitted.vocabulary_, column)
    with pytest.raises(ValueError, match="indices must be"):
        fitted.transform(["some words"])
