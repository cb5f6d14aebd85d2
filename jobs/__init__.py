"""The jobs, one module each.

The wheel holds them as `bert_spark.jobs` and as the commands bert-spark-embed, -train, -search, -score,
-history and -inspect.
May import `bert_spark.cli` only.
"""
