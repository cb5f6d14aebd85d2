"""Skops data that could run code is refused before anything is built from it."""

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
from bert_spark.artefact.trusted_types import TRUSTED_TYPES
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ArtefactError
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS, forge


def with_changed_schema(payload, change):
    """Return a skops payload whose schema `change` has modified."""
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


def first_node(schema, kind):
    """Return the first node of this class in a skops schema."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict) and part.get("__class__") == kind:
            return part
        stack.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else [])
    raise AssertionError(kind)


class Canary:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def foreign_function(*args, **kwargs):
    """A function that is not scikit-learn's."""
    raise AssertionError("it ran")


class UntrustedType(LinearSVC):
    """A type that is not scikit-learn's and fails when it is built."""

    def __setstate__(self, state):
        raise AssertionError("it ran")


def test_pickle_is_refused_and_does_not_run(saved, tmp_path):
    place = tmp_path / "canary"
    forge(saved, pickle.dumps(Canary(str(place))))
    with pytest.raises(ArtefactError, match=r"holds no skops data .* a pickle is never loaded"):
        load_artefact(saved)
    assert not place.exists()
    pickle.loads((saved / "pipeline.skops").read_bytes())  # the payload is live: whoever unpickles it runs the code
    assert place.exists()


def test_pickle_inside_an_array_is_refused_and_does_not_run(saved, tmp_path):
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


def test_untrusted_type_is_refused_and_not_built(fitted, saved, bert):
    pipeline = make_pipeline(bert, UntrustedType()).fit(TEXTS, LABELS)
    forge(saved, skops.io.dumps(pipeline))
    with pytest.raises(
        ArtefactError,
        match=r"types or functions that are not trusted: \['tests.artefact.test_skops_audit.UntrustedType'\]",
    ):
        load_artefact(saved)


@pytest.mark.parametrize("function", [foreign_function, os.system, eval])
def test_foreign_function_is_refused_and_does_not_run(saved, bert, function):
    classifier = make_pipeline(FunctionTransformer(), FastLinearSVC())
    pipeline = make_pipeline(bert, classifier).fit(TEXTS, LABELS)
    classifier[0].func = function
    forge(saved, skops.io.dumps(pipeline))
    with pytest.raises(ArtefactError, match=f"not trusted: .*{function.__name__}"):
        load_artefact(saved)


def attributes_of(schema, kind):
    return first_node(schema, kind)["content"]["content"]


def json_node(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "__id__": 1,
    }


UNEXPECTED_ATTRIBUTES = {
    "our type, unknown attribute": ("BertTransformer", lambda a: a.update(hook=json_node("x"))),
    "our type, a method hidden": ("BertTransformer", lambda a: a.update(transform=json_node("x"))),
    "our type, class swapped": ("BertTransformer", lambda a: a.update(__class__=json_node("x"))),
    "our type, a setting that is an object": ("BertTransformer", lambda a: a.update(encoder=a.pop("unused", None))),
    "scikit-learn's type, a method hidden": ("Pipeline", lambda a: a.update(predict=json_node("x"))),
    "fast solver, a method hidden": ("FastLinearSVC", lambda a: a.update(decision_function=json_node("x"))),
}


@pytest.mark.parametrize("kind", UNEXPECTED_ATTRIBUTES)
def test_unexpected_attribute_of_a_trusted_type_is_refused(saved, kind, monkeypatch):
    name, change = UNEXPECTED_ATTRIBUTES[kind]
    built = []
    monkeypatch.setattr(skops.io, "loads", lambda *args, **kwargs: built.append(args))

    def tamper(schema):
        content = attributes_of(schema, name)
        if "object" in kind:
            content["unused"] = first_node(schema, "FastLinearSVC")
        change(content)

    forge(saved, with_changed_schema((saved / "pipeline.skops").read_bytes(), tamper))
    with pytest.raises(ArtefactError, match=f"holds a .*{name} with unexpected attributes"):
        load_artefact(saved)
    assert built == []


def test_rewritten_payload_without_changes_loads(saved):
    forge(saved, with_changed_schema((saved / "pipeline.skops").read_bytes(), lambda schema: None))
    assert load_artefact(saved).labels.tolist() == ["+", "-", "o"]


def test_only_the_packages_four_types_are_trusted():
    assert set(TRUSTED_TYPES) == {
        "bert_spark.estimators.bert_transformer.BertTransformer",
        "bert_spark.estimators.letter_groups.LetterGroupCounts",
        "bert_spark.estimators.linear_svc.FastLinearSVC",
        "bert_spark.estimators.text_cleaner.TextCleaner",
        # the module names used before version 0.2
        "bert_spark.transformer.BertTransformer",
        "bert_spark.transformer.TextCleaner",
        "bert_spark.linear.FastLinearSVC",
    }
    assert EncoderConfig().settings()["device"] == "auto"
