"""Texts and labels to fit on, a pipeline of TF-IDF and BERT, and a function that tampers with a saved artefact."""

import hashlib
import json

from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC

TEXTS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "o"] * 3


def tfidf_and_bert(bert):
    """Return an unfitted pipeline over TF-IDF and BERT side by side."""
    tfidf = make_pipeline(CountVectorizer(), TfidfTransformer())
    return make_pipeline(FeatureUnion([("tfidf", tfidf), ("bert", bert)]), LinearSVC())


def forge(folder, payload=None, **changes):
    """Change an artefact as somebody with write access can: new content, and the digests that match it."""
    metadata = json.loads((folder / "metadata.json").read_text()) | changes
    if payload is not None:
        (folder / "pipeline.skops").write_bytes(payload)
        metadata["sha256"]["pipeline.skops"] = hashlib.sha256(payload).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(metadata))
