"""Vectors of texts seen before, in one SQLite file. Holds digests and vectors, no text."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

STORE_FILE = "bert_spark_vectors.sqlite"
_KEYS_PER_QUERY = 500  # parameters of one query: SQLite takes 999 in its older versions


def encode_with_store(
    texts: list[str], fingerprint: str, folder: str, encode: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    """Return the vectors of texts, float32, shape (n_texts, width); only those not in `folder` are encoded, once each.

    Parameters
    ----------
    texts
        One text or more.
    fingerprint
        Of the encoder: another one's vectors are never found.
    folder
        Where the file lies or is made; several processes may use it at once.
    encode
        Gives the vectors of texts.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    keys = [hashlib.sha256(f"{fingerprint}\n".encode() + t.encode("utf-8", "surrogatepass")).digest() for t in texts]
    with closing(sqlite3.connect(Path(folder) / STORE_FILE, timeout=600, isolation_level=None)) as store:
        store.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        known = _look_up(store, keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            made = np.ascontiguousarray(encode(list(new.values())), dtype=np.float32)
            rows = [(key, vector.tobytes()) for key, vector in zip(new, made, strict=True)]
            store.execute("BEGIN")
            store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            store.execute("COMMIT")
            known |= dict(rows)
    return np.frombuffer(b"".join(known[key] for key in keys), dtype=np.float32).reshape(len(texts), -1).copy()


def _look_up(store: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        part = keys[start : start + _KEYS_PER_QUERY]
        marks = ",".join("?" * len(part))
        found |= dict(store.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part))
    return found
