"""Read pairs of sentences of the STS benchmark, and correlate the similarity of their vectors with people's scores."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

CARRIED = 200
_FREE = ("images", "track5.en-en")  # the sources whose licence lets the sentences be passed on
# name in docs and values -> settings of BertTransformer
RECIPES = {
    "cls, 60 tokens": {"pooling": "cls", "max_length": 60},
    "mean, 60 tokens": {"pooling": "mean", "max_length": 60},
    "the model's own": {"pooling": "model", "max_length": None},
}


@dataclass(frozen=True)
class Pair:
    """Two sentences, their similarity from 0 to 5 as people see it, and the source that they are from."""

    source: str
    year: str
    number: str
    score: float
    first: str
    second: str


def read_pairs(path):
    """Return the pairs of a file: genre, source, year, number, score and two sentences, with tabs between them."""
    lines = path.read_text(encoding="utf-8").strip().split("\n")
    fields = [line.split("\t")[1:7] for line in lines]
    return [Pair(source, year, number, float(score), *texts) for source, year, number, score, *texts in fields]


def as_line(pair):
    """Return a pair as a line of the file that it is from."""
    fields = ("main-captions", pair.source, pair.year, pair.number, f"{pair.score:.3f}", pair.first, pair.second)
    return "\t".join(fields) + "\n"


def carried(pairs):
    """Return CARRIED pairs, the same number of each free source, at even distances."""
    chosen = []
    for source in _FREE:
        some = [pair for pair in pairs if pair.source == source]
        chosen += [some[round(i)] for i in np.linspace(0, len(some) - 1, CARRIED // len(_FREE))]
    return chosen


def spearman(pairs, vectors):
    """Return Spearman's correlation of the scores with the cosines of the vectors: rows 2i and 2i + 1 of pair i."""
    unit = np.asarray(vectors, dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = (unit[::2] * unit[1::2]).sum(axis=1)
    return float(spearmanr([pair.score for pair in pairs], cosines).statistic)
