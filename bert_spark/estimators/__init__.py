"""Use the encoder as scikit-learn estimators.

Owns `BertTransformer`, `TextCleaner`, the faster `LetterGroupCounts` and `FastLinearSVC`, and the functions that read a
fitted pipeline.
Refuses BERT weights inside an estimator: a transformer holds settings and loads the model by its name. Only a live
model that the user passes in stays an attribute.
May import `encoding` and the root modules. Never imports pyspark.

Other packages may use the four estimators, `pipeline_introspection`, and the encoders of `precomputed`.
"""
