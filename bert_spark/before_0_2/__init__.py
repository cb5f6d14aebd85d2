"""Module names from before version 0.2 that saved things still use: pickles, artefacts, MLflow models, `pyspark.ml` stages.

Owns one module for each old name. `bert_spark/__init__.py` adds this folder to the package's search path, so that
`bert_spark.ml` is found here. Refuses new code: nothing else in the package imports these names. May import any package.
"""
