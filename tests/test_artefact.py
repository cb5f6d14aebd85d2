"""An artefact gives back what was trained, anywhere; what could run code, or was tampered with, is refused."""

import hashlib
import io
import json
import os
import pickle
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from transformers import AutoModel, AutoTokenizer

from bert_spark import artefact as module
from bert_spark.artefact import load_artefact, save_artefact
from bert_spark.config import EncoderConfig
from bert_spark.errors import ArtefactError, FingerprintError
from bert_spark.fitted import decision
from bert_spark.linear import FastLinearSVC
from bert_spark.transformer import BertTransformer, TextCleaner

TEXTS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "o"] * 3


@pytest.fixture(scope="module")
def bert(tiny_bert):
    return BertTransformer(model=str(tiny_bert))


@pytest.fixture(scope="module")
def plain(bert):
    return Pipeline([("bert", bert), ("svc", FastLinearSVC())]).fit(TEXTS, LABELS)


@pytest.fixture
def saved(plain, tmp_path):
    save_artefact(tmp_path / "a", plain)
    return tmp_path / "a"


def union_of(bert):
    tfidf = make_pipeline(CountVectorizer(), TfidfTransformer())
    return make_pipeline(FeatureUnion([("tfidf", tfidf), ("bert", bert)]), LinearSVC())


PIPELINES = {
    "bert": lambda bert: make_pipeline(bert, LinearSVC()),
    "tfidf beside bert": union_of,
    "tfidf alone": lambda bert: make_pipeline(TextCleaner(), TfidfVectorizer(), FastLinearSVC()),
    "calibrated": lambda bert: make_pipeline(bert, CalibratedClassifierCV(FastLinearSVC(), cv=2, ensemble=False)),
    "isotonic": lambda bert: make_pipeline(
        bert, CalibratedClassifierCV(FastLinearSVC(), method="isotonic", cv=2, ensemble=False)
    ),
    "logistic": lambda bert: make_pipeline(bert, LogisticRegression()),
}


@pytest.mark.parametrize("build", PIPELINES.values(), ids=list(PIPELINES))
def test_a_loaded_artefact_predicts_as_the_trained_pipeline(build, bert, tmp_path):
    pipeline = build(bert).fit(TEXTS, LABELS)
    digest = save_artefact(tmp_path / "a", pipeline)
    loaded = load_artefact(tmp_path / "a", digest)
    assert loaded.pipeline.predict(TEXTS).tolist() == pipeline.predict(TEXTS).tolist()
    np.testing.assert_array_equal(loaded.decision(TEXTS), decision(pipeline, TEXTS))
    assert loaded.labels.tolist() == ["+", "-", "o"]
    assert loaded.gives_probabilities == (not hasattr(pipeline, "decision_function"))
    assert loaded.uses_bert == ("bert" in str(pipeline).lower())


def test_given_vectors_are_used_and_bert_does_not_run(saved, bert):
    loaded = load_artefact(saved)
    vectors = bert.fit_transform(TEXTS)
    expected = loaded.decision(TEXTS)
    other = np.roll(vectors, 1, axis=0)
    np.testing.assert_allclose(loaded.decision(TEXTS, other), np.roll(expected, 1, axis=0), atol=1e-5)


def test_two_classes_have_two_values_that_mirror_each_other(bert, tmp_path):
    pipeline = make_pipeline(bert, FastLinearSVC()).fit(TEXTS, [label == "+" for label in LABELS])
    values = decision(pipeline, TEXTS)
    np.testing.assert_array_equal(values[:, 0], -values[:, 1])
    np.testing.assert_array_equal(values[:, 1], pipeline.decision_function(TEXTS))


def test_no_texts_are_no_rows(plain):
    assert decision(plain, []).shape == (0, 3)


def test_metadata_says_what_it_was_made_of(bert, tmp_path):
    save_artefact(tmp_path / "a", union_of(bert).fit(TEXTS, LABELS), {"split": {"seed": 7}, "fingerprint": "forged"})
    metadata = json.loads((tmp_path / "a" / "metadata.json").read_text())
    words = len(set(" ".join(TEXTS).split()) - {"i"})
    assert metadata["features"] == [
        {"name": "tfidf", "first": 0, "columns": words},
        {"name": "bert", "first": words, "columns": 32},
    ]
    assert metadata["labels"] == ["+", "-", "o"]
    assert metadata["split"] == {"seed": 7}
    assert len(metadata["fingerprint"]) == 64
    assert metadata["encoder"]["max_length"] == 60
    assert {"python", "scikit-learn", "skops", "torch", "transformers"} <= set(metadata["versions"])


def test_no_weights_are_copied_and_no_text_of_bert_alone(saved):
    assert sum(path.stat().st_size for path in saved.rglob("*") if path.is_file()) < 30_000
    assert not any(b"hate this" in path.read_bytes() for path in saved.rglob("*"))


def test_trained_on_a_gpu_with_a_remote_encoder_it_loads_where_there_is_neither(bert, tmp_path):
    pipeline = make_pipeline(BertTransformer(model=bert.model), FastLinearSVC()).fit(TEXTS, LABELS)
    step = pipeline[0].set_params(device="cuda", encoder="elsewhere", memory="/somewhere")
    save_artefact(tmp_path / "a", pipeline)
    assert (step.device, step.encoder, step.memory) == ("cuda", "elsewhere", "/somewhere")
    loaded = load_artefact(tmp_path / "a")
    assert (loaded.config.device, loaded.pipeline[0].device, loaded.pipeline[0].encoder) == ("auto", "auto", None)
    assert set(loaded.pipeline.predict(TEXTS)) == {"+", "-", "o"}


# ---- what can't be saved, and what to write instead


def test_a_live_model_is_refused_on_saving(tiny_bert, tmp_path):
    live = BertTransformer(AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert))
    pipeline = make_pipeline(live, FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match=r"write BertTransformer\(model='name or folder'\)"):
        save_artefact(tmp_path / "a", pipeline)


def test_an_embedding_func_is_refused_on_saving(tiny_bert, tmp_path):
    step = BertTransformer(model=str(tiny_bert), embedding_func=lambda x: x[0][:, 0])
    with pytest.raises(ArtefactError, match="use pooling='cls'"):
        save_artefact(tmp_path / "a", make_pipeline(step, FastLinearSVC()).fit(TEXTS, LABELS))


def test_a_lambda_elsewhere_is_refused_on_saving(bert, tmp_path):
    pipeline = make_pipeline(bert, FunctionTransformer(lambda x: x * 2), FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match="scikit-learn's own classes"):
        save_artefact(tmp_path / "a", pipeline)
    assert not (tmp_path / "a").exists()


def test_two_encoders_are_refused_on_saving(bert, tmp_path):
    other = BertTransformer(model=bert.model, pooling="mean")
    pipeline = make_pipeline(FeatureUnion([("a", bert), ("b", other)]), FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match="2 different encoders; an artefact holds one"):
        save_artefact(tmp_path / "a", pipeline)


# ---- what is refused on loading


@pytest.mark.parametrize("name", ["pipeline.skops", "metadata.json"])
def test_a_changed_byte_is_refused(saved, name):
    data = bytearray((saved / name).read_bytes())
    data[len(data) // 2] ^= 1
    digest = hashlib.sha256((saved / "metadata.json").read_bytes()).hexdigest()
    (saved / name).write_bytes(bytes(data))
    with pytest.raises(ArtefactError, match=r"was changed or damaged|was replaced"):
        load_artefact(saved, digest)


@pytest.mark.parametrize("name", ["pipeline.skops", "metadata.json"])
def test_an_absent_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        load_artefact(saved)


def forge(folder, payload=None, **changes):
    """Do what somebody can who may rewrite the folder: new content, and the digest that fits."""
    metadata = json.loads((folder / "metadata.json").read_text()) | changes
    if payload is not None:
        (folder / "pipeline.skops").write_bytes(payload)
        metadata["sha256"]["pipeline.skops"] = hashlib.sha256(payload).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(metadata))


def rewritten(payload, change):
    """Return a skops payload with its schema changed."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    change(schema)
    files["schema.json"] = json.dumps(schema).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def node_of(schema, kind):
    """Return the first node of a class in a skops schema."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict) and part.get("__class__") == kind:
            return part
        stack.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else [])
    raise AssertionError(kind)


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def sing(*args, **kwargs):
    """A function from elsewhere."""
    raise AssertionError("it ran")


class Stranger(LinearSVC):
    """A type from elsewhere, which makes itself known when it is built."""

    def __setstate__(self, state):
        raise AssertionError("it ran")


def test_a_canary_pickle_is_refused_and_does_not_run(saved, tmp_path):
    place = tmp_path / "canary"
    forge(saved, pickle.dumps(Canary(str(place))))
    with pytest.raises(ArtefactError, match=r"holds no skops data .* a pickle is never loaded"):
        load_artefact(saved)
    assert not place.exists()
    pickle.loads((saved / "pipeline.skops").read_bytes())  # the canary does sing for whoever unpickles it
    assert place.exists()


def test_a_canary_pickle_inside_the_numbers_is_refused_and_does_not_run(saved, tmp_path):
    place = tmp_path / "canary"
    array = np.empty(1, dtype=object)
    array[0] = Canary(str(place))
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    payload = (saved / "pipeline.skops").read_bytes()
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    numbers = [name for name in files if name.endswith(".npy")]
    target = tmp_path / "forged"
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, (tmp_path / "x.npy").read_bytes() if name in numbers else data)
    forge(saved, target.read_bytes())
    with pytest.raises(ArtefactError, match="allow_pickle"):
        load_artefact(saved)
    assert not place.exists()


def test_a_type_that_is_not_trusted_is_refused_and_not_built(plain, saved, bert):
    pipeline = make_pipeline(bert, Stranger()).fit(TEXTS, LABELS)
    forge(saved, skops.io.dumps(pipeline))
    with pytest.raises(ArtefactError, match=r"types or functions that are not trusted: \['test_artefact.Stranger'\]"):
        load_artefact(saved)


@pytest.mark.parametrize("function", [sing, os.system, eval])
def test_a_function_from_elsewhere_is_refused_and_does_not_run(saved, bert, function):
    classifier = make_pipeline(FunctionTransformer(), FastLinearSVC())
    pipeline = make_pipeline(bert, classifier).fit(TEXTS, LABELS)
    classifier[0].func = function
    forge(saved, skops.io.dumps(pipeline))
    with pytest.raises(ArtefactError, match=f"not trusted: .*{function.__name__}"):
        load_artefact(saved)


def attributes(schema, kind):
    return node_of(schema, kind)["content"]["content"]


def as_json(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "__id__": 1,
    }


UNEXPECTED = {
    "our type, unknown attribute": ("BertTransformer", lambda a: a.update(hook=as_json("x"))),
    "our type, a method hidden": ("BertTransformer", lambda a: a.update(transform=as_json("x"))),
    "our type, class swapped": ("BertTransformer", lambda a: a.update(__class__=as_json("x"))),
    "our type, a setting that is an object": ("BertTransformer", lambda a: a.update(encoder=a.pop("unused", None))),
    "scikit-learn's type, a method hidden": ("Pipeline", lambda a: a.update(predict=as_json("x"))),
    "fast solver, a method hidden": ("FastLinearSVC", lambda a: a.update(decision_function=as_json("x"))),
}


@pytest.mark.parametrize("kind", UNEXPECTED)
def test_unexpected_attributes_of_a_trusted_type_are_refused(saved, kind, monkeypatch):
    name, change = UNEXPECTED[kind]
    built = []
    monkeypatch.setattr(skops.io, "loads", lambda *args, **kwargs: built.append(args))

    def tamper(schema):
        own = attributes(schema, name)
        if "object" in kind:
            own["unused"] = node_of(schema, "FastLinearSVC")
        change(own)

    forge(saved, rewritten((saved / "pipeline.skops").read_bytes(), tamper))
    with pytest.raises(ArtefactError, match=f"holds a .*{name} with unexpected attributes"):
        load_artefact(saved)
    assert built == []


def test_an_untampered_rewrite_still_loads(saved):
    forge(saved, rewritten((saved / "pipeline.skops").read_bytes(), lambda schema: None))
    assert load_artefact(saved).labels.tolist() == ["+", "-", "o"]


def test_another_encoder_in_the_pipeline_than_in_the_metadata_is_refused(saved, tmp_path, bert):
    other = make_pipeline(BertTransformer(model=bert.model, pooling="mean"), FastLinearSVC()).fit(TEXTS, LABELS)
    save_artefact(tmp_path / "b", other)
    forge(saved, (tmp_path / "b" / "pipeline.skops").read_bytes())
    with pytest.raises(ArtefactError, match=r"pipeline and metadata.json name different encoders"):
        load_artefact(saved)


def test_file_names_that_lead_out_of_the_folder_are_refused(saved):
    digests = json.loads((saved / "metadata.json").read_text())["sha256"]
    forge(saved, sha256=digests | {"model/../../x": "0" * 64})
    with pytest.raises(ArtefactError, match=r"odd names \['model/../../x'\]"):
        load_artefact(saved)


def test_the_model_of_that_name_has_changed_since(plain, tmp_path, tiny_bert):
    import shutil

    folder = shutil.copytree(tiny_bert, tmp_path / "bert")
    pipeline = make_pipeline(BertTransformer(model=str(folder)), FastLinearSVC()).fit(TEXTS, LABELS)
    save_artefact(tmp_path / "a", pipeline)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.5}))
    with pytest.raises(
        FingerprintError, match=r"was trained on encoder [0-9a-f]{12}, but model '.*bert' is [0-9a-f]{12}"
    ):
        load_artefact(tmp_path / "a")


# ---- versions of the format


def test_an_artefact_of_format_1_loads(saved):
    metadata = json.loads((saved / "metadata.json").read_text())
    for name in ("scores", "features", "bundled"):
        del metadata[name]
    (saved / "metadata.json").write_text(json.dumps(metadata | {"format_version": 1}))
    loaded = load_artefact(saved)
    assert not loaded.gives_probabilities
    assert set(loaded.pipeline.predict(TEXTS)) == {"+", "-", "o"}


@pytest.mark.parametrize(
    ("version", "said"), [(99, "this bert-spark reads up to 2; install the one that wrote it"), (None, "train again")]
)
def test_other_formats_say_what_to_do(saved, version, said):
    forge(saved, format_version=version)
    with pytest.raises(ArtefactError, match=said):
        load_artefact(saved)


# ---- bundles


def test_a_bundle_predicts_where_the_model_is_not(tmp_path, tiny_bert):
    import shutil

    folder = shutil.copytree(tiny_bert, tmp_path / "bert")
    (folder / "modeling_evil.py").write_text("raise AssertionError")
    pipeline = make_pipeline(BertTransformer(model=str(folder)), FastLinearSVC()).fit(TEXTS, LABELS)
    expected = pipeline.decision_function(TEXTS)
    save_artefact(tmp_path / "a", pipeline, bundle=True)
    shutil.rmtree(folder)
    moved = shutil.move(tmp_path / "a", tmp_path / "elsewhere")
    loaded = load_artefact(moved)
    np.testing.assert_allclose(loaded.pipeline.decision_function(TEXTS), expected, atol=1e-5)
    names = {path.name for path in (tmp_path / "elsewhere" / "model").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not any(name.endswith(".py") for name in names)


def test_a_bundle_on_a_store_is_copied_here_once(tmp_path, plain):
    import fsspec

    save_artefact("memory://store/a", plain, bundle=True)
    loaded = load_artefact("memory://store/a")
    assert loaded.config.model.startswith("/")
    assert load_artefact("memory://store/a").config.model == loaded.config.model
    np.testing.assert_allclose(loaded.decision(TEXTS), decision(plain, TEXTS), atol=1e-5)
    fsspec.filesystem("memory").rm("/store", recursive=True)


def test_a_damaged_weight_file_in_a_bundle_is_refused(tmp_path, plain):
    save_artefact(tmp_path / "a", plain, bundle=True)
    weights = tmp_path / "a" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtefactError, match=r"model/model.safetensors was changed or damaged"):
        load_artefact(tmp_path / "a")


def test_the_version_in_an_artefact_is_the_packages(saved):
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert load_artefact(saved).metadata["versions"]["bert-spark"] == project["version"]


def test_only_our_few_types_are_trusted():
    assert set(module.OURS) == {
        "bert_spark.transformer.BertTransformer",
        "bert_spark.transformer.TextCleaner",
        "bert_spark.linear.FastLinearSVC",
    }
    assert EncoderConfig().settings()["device"] == "auto"
