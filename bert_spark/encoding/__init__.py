"""Texts to float32 vectors, with one BERT on one device.

Owns the encoder and its settings, the model's files, tokenization, batches, pooling, precision and devices.
Refuses everything that is not encoding: it knows no Spark, no table and no classifier.
Other packages use `config.EncoderConfig`, `encoder.BertEncoder`, `encoder_cache.get_encoder`, `fingerprint`, `text_cleaning`
and `text_validation`. May import `errors`, `versions`, `settings` and `memory`. Imports pyspark only inside functions that ask for a task's resources.
"""
