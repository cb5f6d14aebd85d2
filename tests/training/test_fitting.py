"""A pipeline that cannot be fitted is refused with scikit-learn's reason."""

import numpy as np
import pytest

from bert_spark.errors import DataError
from bert_spark.training.config import HeadConfig
from bert_spark.training.examples import Examples
from bert_spark.training.fitting import fit_pipeline
from bert_spark.training.pipelines import build_pipeline
from tests.support.separable_examples import CONFIG


def test_rows_that_cannot_be_fitted_are_refused_with_the_reason():
    part = Examples(["a", "b"], np.zeros((2, 0), np.float32), np.array(["x", "y"]))
    with pytest.raises(DataError, match=r"the training rows \(2\) can't be fitted: .*empty vocabulary"):
        fit_pipeline(build_pipeline(CONFIG, "tfidf", HeadConfig()), part)
