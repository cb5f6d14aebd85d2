"""A fake encoder that takes no time: a benchmark with it measures Spark and Arrow alone."""

import functools

import numpy as np

from bert_spark.encoding.encoder import EncodedTexts


@functools.lru_cache(maxsize=2)
def _matrix(rows, width):
    return np.random.default_rng(0).random((rows, width), dtype=np.float32)


class FreeEncoder:
    """An encoder that returns random vectors of `width` numbers; with width 0, none."""

    window_rows = 1 << 20  # larger than any window that the UDF makes

    def __init__(self, width):
        self.width = width

    def encode_windows(self, windows):
        for texts in windows:
            rows = len(texts)
            zeros = np.zeros(rows, dtype=np.int32)
            errors = {} if self.width else dict.fromkeys(range(rows), "none")
            flags = zeros.astype(bool)
            yield EncodedTexts(_matrix(rows, self.width or 1), zeros, flags, zeros.astype(np.float32), flags, errors)
