"""Fitted estimators as skops data, never a pickle: what is read is audited node by node before anything is built.
Knows nothing of BERT."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import skops.io

from bert_spark.errors import ArtefactError

_REFUSED_NODES = {"MethodNode", "OperatorFuncNode", "PartialNode"}  # callables built from parts
# scikit-learn's own parts of a calibrated classifier, which skops does not list
_SKLEARN_INTERNALS = {"sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"}
_SKLEARN_ATTRIBUTES = {"_sklearn_output_config", "_sklearn_version"}


def dump_pipeline(pipeline: Any, ours: Mapping[str, type]) -> bytes:
    """Return a fitted pipeline as bytes.

    Parameters
    ----------
    pipeline
        Of scikit-learn's own types, and of `ours`.
    ours
        Types to trust besides, by dotted name.

    Raises
    ------
    ArtefactError
        When a part can't be saved as data, with what to write instead.
    """
    try:
        payload: bytes = skops.io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED)
    except Exception as err:  # skops raises what the object's own reduction raises
        raise ArtefactError(
            f"a part of the pipeline can't be saved as data ({type(err).__name__}: {err}); "
            "use scikit-learn's own classes with settings that are text, numbers or lists, no lambda and no live object"
        ) from err
    _audit(payload, "this pipeline", ours)
    return payload


def load_pipeline(payload: bytes, where: str, ours: Mapping[str, type]) -> Any:
    """Build what `dump` wrote; nothing is built of a payload that holds anything else.

    Raises
    ------
    ArtefactError
        When it is no skops data, or holds a type, function or attribute that is not to be trusted.
    """
    _audit(payload, where, ours)
    try:
        return skops.io.loads(payload, trusted=[*ours, *_SKLEARN_INTERNALS])
    except Exception as err:  # damaged data makes each loader raise its own
        raise ArtefactError(f"{where} can't be loaded ({type(err).__name__}: {err}); train it again") from err


def _audit(payload: bytes, where: str, ours: Mapping[str, type]) -> None:
    try:
        found = sorted(set(skops.io.get_untrusted_types(data=payload)) - set(ours) - _SKLEARN_INTERNALS)
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            schema = json.loads(archive.read("schema.json"))
    except Exception as err:
        raise ArtefactError(f"{where} holds no skops data ({type(err).__name__}); a pickle is never loaded") from err
    if found:
        raise ArtefactError(
            f"{where} holds types or functions that are not trusted: {found}; use scikit-learn's own classes and "
            "BertTransformer, and no lambda or function"
        )
    for node in _nodes(schema):
        if node["__loader__"] in _REFUSED_NODES:
            raise ArtefactError(f"{where} holds a {node['__loader__']}; expected estimators and numbers only")
        name = f"{node.get('__module__')}.{node.get('__class__')}"
        if node["__loader__"] == "ObjectNode":
            _audit_attributes(name, node, where, ours)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if "__loader__" in part:
                yield part
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _audit_attributes(name: str, node: Mapping[str, Any], where: str, ours: Mapping[str, type]) -> None:
    """Refuse an attribute that hides a method of its class, and on our own types any that is not a plain setting."""
    attributes = (node.get("content") or {}).get("content") or {}
    if not isinstance(attributes, dict):
        return
    kind = ours.get(name) or getattr(importlib.import_module(node["__module__"]), node["__class__"], None)
    odd = [
        key for key in attributes if key.startswith("__") or hasattr(inspect.getattr_static(kind, key, None), "__get__")
    ]
    if name in ours and getattr(kind, "holds_settings_only", False):
        settings = {*kind._get_param_names(), "precision_"}  # type: ignore[union-attr]
        for key, value in attributes.items():
            plain = value.get("__loader__") == "JsonNode"
            if key not in settings | {"n_features_out_"} | _SKLEARN_ATTRIBUTES or (key in settings and not plain):
                odd.append(key)
    if odd:
        raise ArtefactError(f"{where} holds a {name} with unexpected attributes: {sorted(set(odd))}")
