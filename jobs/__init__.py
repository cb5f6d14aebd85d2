"""The jobs. In the wheel they are `bert_spark.jobs`, and commands: bert-spark-embed and so on."""
