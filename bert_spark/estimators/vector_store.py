"""Store the vectors of texts in one SQLite file. The file holds digests and vectors, but no text."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

STORE_FILE = "bert_spark_vectors.sqlite"
_KEYS_PER_QUERY = 500  # older versions of SQLite take at most 999 parameters in a query


def encode_with_store(
    texts: list[str], fingerprint: str, folder: str, encode: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    """Return the vectors of texts: float32, shape (n_texts, width).

    Texts without a stored vector are encoded, once each, and their vectors are stored.

    Parameters
    ----------
    texts
        At least one text.
    fingerprint
        Fingerprint of the encoder. Vectors of other encoders are never returned.
    folder
        Folder of the file. Both are created if missing. Several processes may use it at once.
    encode
        Returns the vectors of texts.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    keys = [hashlib.sha256(f"{fingerprint}\n".encode() + t.encode("utf-8", "surrogatepass")).digest() for t in texts]
    with closing(sqlite3.connect(Path(folder) / STORE_FILE, timeout=600, isolation_level=None)) as store:
        store.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        known = _stored_vectors(store, keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            vectors = np.ascontiguousarray(encode(list(new.values())), dtype=np.float32)
            rows = [(key, vector.tobytes()) for key, vector in zip(new, vectors, strict=True)]
            store.execute("BEGIN")
            store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            store.execute("COMMIT")
            known |= dict(rows)
    return np.frombuffer(b"".join(known[key] for key in keys), dtype=np.float32).reshape(len(texts), -1).copy()


def _stored_vectors(store: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
    stored: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        part = keys[start : start + _KEYS_PER_QUERY]
        placeholders = ",".join("?" * len(part))
        stored |= dict(store.execute(f"SELECT key, vector FROM vectors WHERE key IN ({placeholders})", part))
    return stored
