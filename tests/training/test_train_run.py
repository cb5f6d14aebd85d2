"""A training says where its encoder is not what the model's authors meant: at its start and in the report."""

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.recipe_note import log_recipe_note
from bert_spark.settings import JobSettings
from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.train_run import check_training, train_and_save
from tests.support.model_recipes import write_recipe


def test_settings_other_than_the_models_own_are_said(tmp_path, caplog):
    encoder = EncoderConfig(model=str(write_recipe(tmp_path / "model")))
    train = TrainConfig(artefact=str(tmp_path / "artefact"), baseline=False)
    job = JobSettings("train", {"encoder": encoder, "train": train, "head": HeadConfig()})
    check_training(job)
    log_recipe_note(encoder)
    assert "was made for pooling mean, 40 tokens" in caplog.text
    texts, labels = [f"text {n}" for n in range(60)], np.array(["a", "b"] * 30)
    vectors = np.random.default_rng(0).normal(size=(60, 32)).astype(np.float32)
    data = TrainingData(Examples(texts, vectors, labels), encoder, {"counts": {}, "warnings": ["one more"]}, {})
    result = train_and_save(job, data)
    assert "warning: model " in result.summary()
    assert "was made for pooling mean, 40 tokens" in (tmp_path / "artefact" / "report.html").read_text()
    assert result.facts["warnings"][1:] == ["one more"]
