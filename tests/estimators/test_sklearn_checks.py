"""scikit-learn's own estimator checks pass for BertTransformer and TextCleaner."""

import pytest
from sklearn.utils import estimator_checks

from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

# parametrize_with_checks selects no checks for a transformer whose tags exclude 2-D numbers. So the checks that need no
# numbers are called by name, and the others are listed with the reason.
APPLICABLE = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_get_params_invariance",
    "check_set_params",
    "check_parameters_default_constructible",
    "check_global_output_transform_pandas",
]


NUMBERS = "passes a matrix of numbers, but the transformer takes texts"
NOT_APPLICABLE = {
    "check_fit_score_takes_y": NUMBERS,
    "check_estimators_overwrite_params": NUMBERS,
    "check_dont_overwrite_parameters": NUMBERS,
    "check_estimators_fit_returns_self": NUMBERS,
    "check_readonly_memmap_input": NUMBERS,
    "check_n_features_in_after_fitting": "a column of texts has no number of features",
    "check_positive_only_tag_during_fit": NUMBERS,
}


@pytest.mark.parametrize("step", [BertTransformer, TextCleaner])
@pytest.mark.parametrize("name", APPLICABLE)
def test_scikit_learns_own_checks(step, name):
    getattr(estimator_checks, name)(step.__name__, step())


def test_every_check_of_the_api_is_listed():
    api = {getattr(check, "func", check).__name__ for check in estimator_checks._yield_api_checks(BertTransformer())}
    assert api <= set(APPLICABLE) | set(NOT_APPLICABLE)


@pytest.mark.parametrize("estimator_and_check", estimator_checks.parametrize_with_checks([BertTransformer()]).args[1])
def test_checks_that_scikit_learn_selects(estimator_and_check):
    estimator, check = estimator_and_check
    check(estimator)
