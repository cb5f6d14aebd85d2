"""Old module names, for pickles, artefacts, MLflow models and `pyspark.ml` stages that were saved before version 0.2.

Owns one module for each old name. `bert_spark/__init__.py` adds this folder to the package's search path: an import of
`bert_spark.ml` finds `ml.py` here.
Refuses new code. No other module imports these names.
May import any package.
"""
