"""BERT on Spark: the UDFs, the DataFrame functions, the session and its executors.

Owns `with_embedding`, `with_score`, `preview`, `SparkEncoder`, `BertEmbedder`, the pre-flight, and the way of training rows to the driver.
Refuses to write: what becomes of a DataFrame belongs to `runs`.
May import `tables`, `training`, `artefact`, `estimators`, `encoding` and the root modules.
"""
