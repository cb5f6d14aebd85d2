"""A pipeline that cannot be fitted is refused with scikit-learn's reason. A baseline is left out with it."""

import re

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.settings import JobSettings
from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.fitting import fit_pipeline
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.train_run import train_and_save
from tests.support.separable_examples import CONFIG


def test_rows_that_cannot_be_fitted_are_refused_with_the_reason():
    part = Examples(["a", "b"], np.zeros((2, 0), np.float32), np.array(["x", "y"]))
    with pytest.raises(DataError, match=r"the training rows \(2\) can't be fitted: .*empty vocabulary"):
        fit_pipeline(build_pipeline(CONFIG, "tfidf", HeadConfig()), part)


def test_the_report_says_what_could_not_be_fitted_or_has_not_converged(tiny_bert, tmp_path):
    """No word of these texts is long enough for TF-IDF, and one iteration is not enough for any classifier."""
    texts, labels = [chr(0x4E00 + n) for n in range(60)], np.array(["x", "y"] * 30)
    vectors = np.random.default_rng(0).normal(size=(60, 32)).astype(np.float32)
    encoder = EncoderConfig(model=str(tiny_bert))
    train = TrainConfig(artefact=str(tmp_path / "artefact"))
    job = JobSettings("train", {"encoder": encoder, "train": train, "head": HeadConfig(options={"max_iter": 1})})
    data = TrainingData(Examples(texts, vectors, labels), encoder, {"counts": {}, "warnings": ["first"]}, {})
    result = train_and_save(job, data)
    assert result.facts["warnings"][0] == "first"
    assert re.fullmatch(
        r"there is no TF-IDF baseline: the training rows .*empty vocabulary.*", result.facts["warnings"][1]
    )
    assert result.facts["warnings"][2].startswith("FastLinearSVC failed to converge in 1 iterations")
    report = (tmp_path / "artefact" / "report.html").read_text()
    assert "there is no TF-IDF baseline" in report
    assert "failed to converge" in report
