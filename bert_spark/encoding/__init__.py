"""Turn texts into float32 vectors with one BERT on one device.

Owns the encoder and its settings, model files, tokenization, batches, pooling, precision and devices.
Refuses everything that is not encoding: it knows nothing of Spark, tables and classifiers.
May import `errors`, `versions`, `settings` and `memory`. It imports pyspark inside two functions only, which read the
GPU addresses and the CPUs of the running task.

Other packages may use `BertEncoder`, `EncodedTexts` and `get_encoder`; `EncoderConfig`; the fingerprints; `model_files`
and `model_resolver`; `error_reasons`; `text_cleaning` and `text_validation`; the names of poolings. On executors they
also use `device`, `threads` and `cuda_errors`.
"""
