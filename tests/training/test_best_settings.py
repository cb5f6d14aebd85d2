"""Training with the settings that a search wrote runs what the search evaluated."""

import dataclasses
import tempfile
import typing
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bert_spark.cli.command_line import parse_job
from bert_spark.cli.job_sections import JOB_SECTIONS
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError
from bert_spark.settings import JobSettings
from bert_spark.training.best_settings import best_as_toml
from bert_spark.training.config import SearchConfig
from bert_spark.training.grid_search import Candidate
from jobs import search, train

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)  # TOML holds no lone surrogate
BY_TYPE = {str: TEXT, bool: st.booleans(), int: st.integers(1, 10**6), float: st.floats(0.001, 1e6)}
VALUES = TEXT | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)
BY_NAME = {
    "options": st.dictionaries(TEXT, VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(TEXT, VALUES, max_size=2)),
    "poolings": st.just(SearchConfig.poolings),
    "penalties": st.just(SearchConfig.penalties),
    "class_weights": st.just(SearchConfig.class_weights),
    "class_name": st.sampled_from(["sklearn.svm.LinearSVC", "sklearn.linear_model.LogisticRegression"]),
    "device": st.sampled_from(["auto", "cpu", "cuda:1"]),
    "pooling": st.sampled_from(["cls", "mean", "max"]),
    "precision": st.sampled_from(["float32", "bfloat16", "float16"]),
    "model": TEXT.map(lambda name: f"./{name}") | TEXT,
    "embeddings": st.none(),
}


def values_of(spec, hint):
    """Return a strategy for the values of one field of a settings class."""
    if spec.name in BY_NAME:
        return BY_NAME[spec.name]
    if spec.metadata["choices"]:
        return st.sampled_from(spec.metadata["choices"])
    if typing.get_origin(hint) is tuple:
        return st.lists(TEXT, max_size=2).map(tuple)
    parts = typing.get_args(hint) or (hint,)
    return st.one_of(*(st.none() if part is type(None) else BY_TYPE[part] for part in parts))


@st.composite
def any_settings(draw, kind):
    """Return an instance of a settings class with any values that it takes."""
    hints = typing.get_type_hints(kind)
    specs = [spec for spec in dataclasses.fields(kind) if spec.init and spec.metadata]
    changed = draw(st.sets(st.sampled_from(specs), max_size=5))
    try:
        return kind(**{spec.name: draw(values_of(spec, hints[spec.name])) for spec in changed})
    except ConfigError:
        assume(False)


SECTIONS = st.fixed_dictionaries({name: any_settings(kind) for name, kind in JOB_SECTIONS["search"].items()})
SPARK = st.dictionaries(TEXT.map("spark.{}".format), TEXT, max_size=2)
CANDIDATES = st.builds(
    Candidate,
    st.sampled_from(["bert", "tfidf", "bert+tfidf"]),
    st.sampled_from(["cls", "mean", "cls+mean", "model"]),
    st.floats(1e-9, 1e9),
    st.sampled_from(["none", "sqrt", "balanced"]),
)


def trained_with(toml):
    """Return the settings of jobs/train.py with this file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "best.toml").write_text(toml, encoding="utf-8")
        return parse_job(train.__file__, None, ["--config", f"{folder}/best.toml", "--output", "artefact"])


def absolute(path):
    return str(Path(path).resolve()) if path is not None and path.startswith(("./", "../")) else path


@settings(deadline=None, max_examples=40)
@given(SECTIONS, SPARK, CANDIDATES)
def test_training_runs_the_settings_of_the_search(sections, spark, best):
    job = JobSettings("search", sections | {"spark": spark})
    trained = trained_with(best_as_toml(best, job, job.encoder))
    assert trained.input == dataclasses.replace(job.input, path=absolute(job.input.path))
    assert trained.encoder == dataclasses.replace(best.encoder(job.encoder), model=absolute(job.encoder.model))
    assert trained.head.calibrate == job.head.calibrate
    options = {key: value for key, value in best.head(job.head).options.items() if value is not None}
    assert trained.head == dataclasses.replace(job.head, options=options)
    weight = job.search.tfidf_factor(job.train)
    changed = {"artefact": "artefact", "overwrite": False, "features": best.features, "tfidf_weight": weight}
    assert trained.train == dataclasses.replace(job.train, **changed)
    assert trained.spark == spark


@pytest.mark.parametrize(
    ("features", "pooling", "source", "embeddings"),
    [
        ("bert", "cls+mean", "texts", "vectors"),
        ("tfidf", "mean", "texts", "vectors"),
        ("bert", "mean", "vectors", None),  # the stored vectors are wider
    ],
)
def test_stored_vectors_are_trained_on_if_they_are_the_candidates(features, pooling, source, embeddings):
    stored = EncoderConfig(model="stored", max_length=40, pooling="cls+mean", clean="tweets")
    options = ["--input", "texts", "--format", "csv", "--embeddings", "vectors", "--embedding-column", "v"]
    job = parse_job(search.__file__, None, [*options, "--output", "found", "--model", "no-other"])
    trained = trained_with(best_as_toml(Candidate(features, pooling, 1.0, "none"), job, stored))
    assert (trained.input.path, trained.train.embeddings) == (source, embeddings)
    assert trained.input.format == ("csv" if embeddings else "auto")
    assert trained.encoder == dataclasses.replace(stored, pooling=pooling)
