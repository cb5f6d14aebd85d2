"""scikit-learn's own checks of an estimator, on ours."""

import pytest
from sklearn.utils import estimator_checks

from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

# scikit-learn's own checks. parametrize_with_checks itself gives nothing for a transformer whose tags say that it takes
# no 2-D numbers; so those that need no numbers are called by hand, and the others are listed with their reason.
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
NUMBERS = "feeds a matrix of numbers; texts are what this takes"
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


def test_no_check_of_the_api_is_forgotten():
    api = {getattr(check, "func", check).__name__ for check in estimator_checks._yield_api_checks(BertTransformer())}
    assert api <= set(APPLICABLE) | set(NOT_APPLICABLE)


@pytest.mark.parametrize("estimator_and_check", estimator_checks.parametrize_with_checks([BertTransformer()]).args[1])
def test_what_scikit_learn_itself_thinks_applicable(estimator_and_check):
    estimator, check = estimator_and_check
    check(estimator)
