"""Labelled texts whose classes any classifier can separate, by their vectors and by their words."""

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.training.examples import Examples

CONFIG = EncoderConfig()
CLASSES = ["good", "bad", "fine"]
TEXTS = [f"{CLASSES[i % 3]} day number {i}" for i in range(90)]
LABELS = np.array([CLASSES[i % 3] for i in range(90)])
VECTORS = np.eye(3, dtype=np.float32)[np.arange(90) % 3]  # one coordinate for each class
EXAMPLES = Examples(TEXTS, VECTORS, LABELS)
