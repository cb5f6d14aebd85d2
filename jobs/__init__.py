"""The jobs, one module each.

The wheel holds them as `bert_spark.jobs` and as the commands bert-spark-embed, -train, -search, -score and -history.
May import `bert_spark.cli` only.
"""
