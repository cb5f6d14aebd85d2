"""The task of jobs/embed.py has every setting of its encoder resolved, and says what the model's authors meant."""

import json

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.runs.config import EmbedConfig, ScheduleConfig
from bert_spark.runs.embed_task import embed_task
from bert_spark.settings import JobSettings
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.provenance import ENCODER_KEY, FINGERPRINT_KEY
from tests.support.model_recipes import NORMALIZE, TEXTS, dense, write_recipe


def task_of(folder, **settings):
    sections = {
        "encoder": EncoderConfig(model=str(folder), **settings),
        "input": InputConfig(path="in"),
        "output": OutputConfig(path="out"),
        "embed": EmbedConfig(),
        "schedule": ScheduleConfig(),
    }
    return embed_task(JobSettings("embed", sections))


def test_the_models_own_recipe_runs_on_spark(spark, tmp_path, caplog):
    folder = write_recipe(tmp_path / "model", after=[dense(32, 8), NORMALIZE])
    task = task_of(folder, pooling="model")
    assert task.config.max_length == 40
    assert "recipe_note" not in task.facts
    assert "was made for" not in caplog.text
    df = task.transform(spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string").coalesce(1))
    metadata = df.schema["embedding"].metadata
    assert metadata[FINGERPRINT_KEY] == task.fingerprint
    assert json.loads(metadata[ENCODER_KEY])["pooling"] == "model"
    found = [row.embedding for row in df.orderBy("id").collect()]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.shape(found) == (4, 8)


def test_other_settings_are_said_at_the_start_and_in_the_record(spark, tmp_path, caplog):
    task = task_of(write_recipe(tmp_path / "model"))
    note = task.record().content["recipe_note"]
    assert note.endswith("pooling='model' (--pooling model) follows it")
    assert note in caplog.text


def test_the_task_is_made_before_there_is_a_session(tiny_bert, run_forked):
    """Wrong settings are refused before Java starts."""
    code = f"""
from bert_spark import cli
from pyspark import SparkContext
job = cli.read_job("jobs/embed.py", "", ["--input", "x.csv", "--output", "out", "--model", {str(tiny_bert)!r}])
print(cli.embed_task(job).job, SparkContext._active_spark_context)
"""
    assert run_forked(code) == "embed None"
