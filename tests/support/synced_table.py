"""A table that jobs/embed.py keeps in step with its source. Its rows change, and pandas compares the two."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bert_spark import BertEncoder, EncoderConfig
from jobs import embed

COLUMNS = ["id", "text", "likes"]
SCHEMA = pa.schema({"id": pa.int64(), "text": pa.string(), "likes": pa.int64()})


class SyncedTable:
    """A source of rows (id, text, likes) and the output that is kept in step with it, both in `folder`."""

    def __init__(self, spark, model, folder):
        self.spark = spark
        self.model, self.folder, self.output = str(model), folder, folder / "vectors"
        self.rows = {}  # id -> (text, likes)
        self._encoder = BertEncoder.from_config(EncoderConfig(model=self.model, device="cpu"))
        self._vectors = {}

    def write(self):
        """Write the source as one Parquet file, and return its path."""
        values = [dict(zip(COLUMNS, (key, *row), strict=True)) for key, row in self.rows.items()]
        pq.write_table(pa.Table.from_pylist(values, schema=SCHEMA), self.folder / "tweets.parquet")
        return str(self.folder / "tweets.parquet")

    def run(self, *options, source=None):
        """Write the source, run jobs/embed.py --sync, and return its exit code."""
        base = ["--input", source or self.write(), "--model", self.model, "--output", str(self.output)]
        return embed.main([*base, "--id-column", "id", "--sync", *map(str, options)])

    def plain_run(self, *options):
        """Write the source, run jobs/embed.py without --sync, and return its exit code."""
        return embed.main(["--input", self.write(), "--model", self.model, "--output", str(self.output), *options])

    def stored(self, output=None):
        """Return the rows of the output, or of a copy of it, as a reader of its files sees them."""
        files = sorted((output or self.output).glob("part-*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def problems(self):
        """Return how the output differs from the source; an empty list if it is in step."""
        stored = pd.DataFrame(self.stored(), columns=[*COLUMNS, "embedding", "error"])
        problems = [f"doubled {sorted(stored.id[stored.id.duplicated()])}"] if stored.id.duplicated().any() else []
        stored = stored.astype(object).where(stored.notna(), None)  # pandas 3 has NaN for a missing text
        known = {row.id: row for row in stored.itertuples()}
        if known.keys() != self.rows.keys():
            problems.append(f"missing {self.rows.keys() - known.keys()}, gone {known.keys() - self.rows.keys()}")
        self._encode({text for text, _ in self.rows.values()} - self._vectors.keys() - {None})
        for key in known.keys() & self.rows.keys():
            row, (text, likes) = known[key], self.rows[key]
            if (row.text, row.likes) != (text, likes):
                problems.append(f"stale row {key}")
            elif text is None:
                problems += [] if row.embedding is None and row.error == "missing text" else [f"error of {key}"]
            elif row.embedding is None or not np.allclose(row.embedding, self._vectors[text], atol=1e-5):
                problems.append(f"vector of {key}")
        return problems

    def _encode(self, texts):
        if texts:
            self._vectors |= dict(zip(sorted(texts), self._encoder.encode(sorted(texts)), strict=True))

    def records(self, **expected):
        """Return the records that have these values, oldest first."""
        files = sorted(self.folder.glob("**/_manifests/*.json"), key=lambda file: file.stat().st_mtime_ns)
        records = [json.loads(path.read_text()) for path in files]
        return [record for record in records if all(record.get(name) == value for name, value in expected.items())]

    def left_behind(self):
        """Return what is staged, and the locks that are held."""
        return [*self.folder.glob("**/_staging/*/*"), *self.folder.glob("**/_locks/*/*.json")]


def counts(record):
    """Return what a run did: rows added, changed, removed, unchanged, and texts encoded."""
    return tuple(record[f"rows_{name}"] for name in ("added", "changed", "removed", "unchanged", "encoded"))
