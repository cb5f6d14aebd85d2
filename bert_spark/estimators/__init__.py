"""The scikit-learn face of the encoder.

Owns `BertTransformer`, `TextCleaner`, the faster `FastLinearSVC`, and what a fitted pipeline can be asked.
Refuses weights inside an estimator: a transformer holds settings and loads the model by name.
May import `encoding` and the root modules. Never imports pyspark.
"""
