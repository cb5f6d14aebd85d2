"""BERT on Spark: the UDFs, the DataFrame functions, the session and its executors.

Owns `with_embedding`, `with_score`, `preview`, `SparkEncoder`, `BertEmbedder`, the session, the pre-flight, shipping
the package and artefacts to executors, and collecting training rows on the driver.
Refuses to write a table: what happens to a DataFrame belongs to `runs`.
May import `tables`, `training`, `artefact`, `estimators`, `encoding` and the root modules.
Other packages use `transforms`, `session`, `preflight.run_preflight` and `training_data.load_training_data`.
"""
