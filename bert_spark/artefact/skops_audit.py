"""Save and load fitted estimators as skops data, never as a pickle.

Audits every node of the data before anything is built from it. Knows nothing of BERT.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from bert_spark.artefact.skops_import import import_skops_io
from bert_spark.errors import ArtefactError

skops_io = import_skops_io()
_REFUSED_NODES = {"MethodNode", "OperatorFuncNode", "PartialNode"}  # callables put together from parts
# Internal parts of scikit-learn's classifiers, written in Python. skops does not list them as trusted. Trees and
# neighbour searches are not here: they are compiled, and follow the numbers in their data without checking them.
_SKLEARN_INTERNALS = {
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._bunch.Bunch",
}
_SKLEARN_ATTRIBUTES = {"_sklearn_output_config", "_sklearn_version"}


def dump_pipeline(pipeline: Any, trusted: Mapping[str, type]) -> bytes:
    """Return a fitted pipeline as skops data.

    Parameters
    ----------
    pipeline
        Its parts have types of scikit-learn or of `trusted`.
    trusted
        Types to trust besides scikit-learn's own, by dotted name.

    Raises
    ------
    ArtefactError
        If a part cannot be saved as data. The message says what to write instead.
    """
    try:
        payload: bytes = skops_io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED)
    except Exception as err:  # skops raises whatever the object's own __reduce__ raises
        raise ArtefactError(
            f"a part of the pipeline cannot be saved as data ({type(err).__name__}: {err}); "
            "use scikit-learn's own classes with settings that are text, numbers or lists, no lambda and no live object"
        ) from err
    _audit(payload, "this pipeline", trusted)
    return payload


def load_pipeline(payload: bytes, where: str, trusted: Mapping[str, type]) -> Any:
    """Return the pipeline that `dump_pipeline` wrote. Nothing is built before the whole payload has been audited.

    Parameters
    ----------
    payload
        The skops data.
    where
        Where the data is from, for messages.
    trusted
        Types to trust besides scikit-learn's own, by dotted name.

    Raises
    ------
    ArtefactError
        If the payload is not skops data, or holds a type, function or attribute that is not trusted.
    """
    _audit(payload, where, trusted)
    try:
        return skops_io.loads(payload, trusted=[*trusted, *_SKLEARN_INTERNALS])
    except Exception as err:  # damaged data: each loader raises its own exceptions
        raise ArtefactError(f"{where} cannot be loaded ({type(err).__name__}: {err}); train it again") from err


def _audit(payload: bytes, where: str, trusted: Mapping[str, type]) -> None:
    try:
        untrusted = sorted(set(skops_io.get_untrusted_types(data=payload)) - set(trusted) - _SKLEARN_INTERNALS)
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            schema = json.loads(archive.read("schema.json"))
    except Exception as err:
        raise ArtefactError(f"{where} holds no skops data ({type(err).__name__}); a pickle is never loaded") from err
    if untrusted:
        raise ArtefactError(
            f"{where} holds types or functions that are not trusted: {untrusted}; use scikit-learn's own classes and "
            "BertTransformer, and no lambda or function"
        )
    for node in _nodes(schema):
        if node["__loader__"] in _REFUSED_NODES:
            raise ArtefactError(f"{where} holds a {node['__loader__']}; expected estimators and numbers only")
        if node["__loader__"] == "ObjectNode":
            _audit_attributes(node, where, trusted)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every node of a skops schema."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if "__loader__" in part:
                yield part
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _audit_attributes(node: Mapping[str, Any], where: str, trusted: Mapping[str, type]) -> None:
    """Refuse an attribute that would hide a method of its class.

    A trusted type with `holds_settings_only` may hold plain settings only.
    """
    attributes = (node.get("content") or {}).get("content") or {}
    if not isinstance(attributes, dict):
        return
    name = f"{node.get('__module__')}.{node.get('__class__')}"
    kind = trusted.get(name) or getattr(importlib.import_module(node["__module__"]), node["__class__"], None)
    refused = [
        key for key in attributes if key.startswith("__") or hasattr(inspect.getattr_static(kind, key, None), "__get__")
    ]
    if name in trusted and getattr(kind, "holds_settings_only", False):
        settings = {*kind._get_param_names(), "precision_"}  # type: ignore[union-attr]
        for key, value in attributes.items():
            is_plain = value.get("__loader__") == "JsonNode"
            is_known = key in settings | {"n_features_out_"} | _SKLEARN_ATTRIBUTES
            if not is_known or (key in settings and not is_plain):
                refused.append(key)
    if refused:
        raise ArtefactError(f"{where} holds a {name} with unexpected attributes: {sorted(set(refused))}")
