"""jobs/embed.py on 100,000 hostile texts: no row is lost, nothing raises, and a sample equals transformers."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from jobs import embed

ROWS = 100_000
PIECES = [
    "hi",
    "so happy today",
    "@user",
    "#hash",
    "http://x.y/z?a=1",
    "&amp;",
    '"',
    "'",
    ",",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "\x00",
    "\x07",
    "\x97",
    "\u200b",
    "\u200d",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\ufffd",
    "e\u0301",
    "\u0e44\u0e17\u0e22",
    "\u0633\u0644\u0627\u0645",
    "\u65e5\u672c",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1ea\U0001f1fa",
    "w" * 150,
    "word " * 80,
    "!" * 60,
    "[SEP]",
    "[UNK]",
    " ",
    "",
]


def hostile_text(seed):
    """Return a text of random pieces; about one in a hundred is missing."""
    rng = random.Random(seed)
    if rng.random() < 0.01:
        return None
    return rng.choice(("", " ")).join(rng.choices(PIECES, k=rng.randrange(6)))


def test_hostile_rows_keep_their_keys_and_their_own_vectors(spark, tiny_bert, transformers_cls, tmp_path):
    texts = [hostile_text(seed) for seed in range(ROWS)]
    pq.write_table(pa.table({"id": range(ROWS), "text": texts}), tmp_path / "in.parquet")
    options = ["--model", str(tiny_bert), "--output", str(tmp_path / "out"), "--partition-mb", "0.2"]
    assert embed.main(["--input", str(tmp_path / "in.parquet"), *options]) == 0

    output = ds.dataset(tmp_path / "out", format="parquet").to_table().sort_by("id")
    assert output["id"].to_pylist() == list(range(ROWS))
    assert output["text"].to_pylist() == texts
    assert output["error"].to_pylist() == ["missing text" if text is None else None for text in texts]
    assert output["embedding"].is_null().to_pylist() == [text is None for text in texts]
    flat = output["embedding"].combine_chunks().flatten().to_numpy()
    assert len(flat) == 32 * sum(text is not None for text in texts)
    assert np.isfinite(flat).all()

    sample = [row for row in random.Random(0).sample(range(ROWS), 600) if texts[row] is not None]
    expected = transformers_cls(tiny_bert, [texts[row] for row in sample])
    np.testing.assert_allclose(np.array([output["embedding"][row].as_py() for row in sample]), expected, atol=1e-5)
