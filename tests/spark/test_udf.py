"""The UDF runs once per row, BERT once per distinct text of a window, and a worker loads the model once."""

import os

import pytest
from pyspark.sql import functions as F

from bert_spark import EncoderConfig, with_embedding
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.spark.udf import EMBEDDING_FIELDS, embedding_udf
from tests.support.row_counter import rows_through_python


@pytest.mark.parametrize(
    "use",
    [
        lambda df: df,
        lambda df: df.where("embedding is not null"),
        lambda df: df.where("embedding[0] > -1e9").select("id", "embedding", "error"),
        lambda df: df.select("id", F.size("embedding"), F.col("embedding")[0], "error"),
        lambda df: df.select("id", F.explode("embedding")),
        lambda df: df.agg(F.count("embedding"), F.count("error")),
    ],
    ids=["plain", "filter on the vector", "filter and use", "double use of its fields", "explode", "aggregate"],
)
def test_every_row_goes_through_the_udf_once(spark, table, config, use):
    with rows_through_python(spark) as rows:
        use(table.transform(with_embedding(config))).write.format("noop").mode("overwrite").save()
    assert rows == [100]


@pytest.mark.skipif(not hasattr(F, "arrow_udf"), reason="Spark before 4.1 has no Arrow UDF")
def test_a_deterministic_udf_would_run_twice(spark, table, config):
    """Shows that the row counter works: without asNondeterministic a filter doubles the work."""
    plain = F.arrow_udf(embedding_udf(config, config_fingerprint(config)).func, EMBEDDING_FIELDS)
    df = table.withColumn("result", plain(F.col("text")))
    df = df.where("result.embedding is not null").select("result.embedding")
    with rows_through_python(spark) as rows:
        df.write.format("noop").mode("overwrite").save()
    assert rows == [100, 100]


def test_a_repeated_text_is_encoded_once_per_window(spark, tiny_bert, tmp_path):
    """One partition holds 3 texts of 7 tokens, each 10 times: BERT encodes 3."""
    log = tmp_path / "log"
    config = EncoderConfig(model=str(tiny_bert), embedding_func=logs_batch_sizes(str(log)))
    df = spark.createDataFrame(
        [(text,) for text in ["hi me so sad today", "i like the good work", "love you me in one"] * 10], "text string"
    ).coalesce(1)
    df.transform(with_embedding(config)).write.format("noop").mode("overwrite").save()
    assert sum(int(line) for line in log.read_text().split()) == 3


def logs_batch_sizes(path):
    def cls_and_count(output):
        if output[0].shape[1] == 7:  # a new encoder calls the function with shorter texts first
            with open(path, "a") as log:
                log.write(f"{output[0].shape[0]}\n")
        return output[0][:, 0, :]

    return cls_and_count


def test_a_worker_loads_the_model_once_over_many_partitions(spark, tiny_bert, tmp_path):
    log = tmp_path / "log"
    config = EncoderConfig(model=str(tiny_bert), embedding_func=logs_model_loads(str(log)), token_budget=64)
    df = spark.range(400).selectExpr("concat('so good tweet ', id) text").repartition(50)
    df.transform(with_embedding(config)).write.format("noop").mode("overwrite").save()
    loads = [line.split() for line in log.read_text().splitlines()]
    models = {(pid, model) for pid, model in loads}
    # a task with two UDFs has two workers; Spark keeps as many workers as the busiest query of the session needed
    assert len(models) == len({pid for pid, _ in models}) <= 4


def logs_model_loads(path):
    def cls_and_process(output):
        from bert_spark.encoding import encoder_cache

        if output[0].shape[1] > 4:  # a new encoder calls the function with shorter texts first
            with open(path, "a") as log:
                log.write(f"{os.getpid()} {encoder_cache.model_loads()}\n")
        return output[0][:, 0, :]

    return cls_and_process


def test_the_pickled_udf_is_small(config):
    from pyspark.serializers import CloudPickleSerializer

    assert len(CloudPickleSerializer().dumps(embedding_udf(config, "f").func)) < 100_000
