"""What could run code, was tampered with, or is of another version, is refused when an artefact is loaded."""

import hashlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from bert_spark.artefact.loading import load_artefact
from bert_spark.artefact.saving import save_artefact
from bert_spark.errors import ArtefactError, FingerprintError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS, forge


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
    with pytest.raises(
        ArtefactError,
        match=r"types or functions that are not trusted: \['tests.artefact.test_artefact_refused.Stranger'\]",
    ):
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
    ("version", "said"), [(99, "this bert-spark reads up to 3; install the one that wrote it"), (None, "train again")]
)
def test_other_formats_say_what_to_do(saved, version, said):
    forge(saved, format_version=version)
    with pytest.raises(ArtefactError, match=said):
        load_artefact(saved)
