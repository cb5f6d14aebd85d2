"""PySpark's worker daemon with torch and transformers imported, so that each Python worker forks with both loaded.

Spark ends workers that are idle for a minute, so a test session starts many. Each would import both again, which takes
longer than most tests. The cluster tests use PySpark's own daemon.
"""

import gc

import transformers.models.auto.modeling_auto
import transformers.models.auto.tokenization_auto
import transformers.models.bert.modeling_bert  # noqa: F401
from pyspark.daemon import manager

import bert_spark.encoding.encoder_cache
import bert_spark.spark.udf  # noqa: F401

if __name__ == "__main__":
    gc.freeze()  # a worker collects garbage after every task, over all objects that are not frozen
    manager()
