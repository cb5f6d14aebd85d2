"""Build the classifier that the settings name, and try it on a few made-up rows before BERT runs."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.utils.class_weight import compute_class_weight

from bert_spark.errors import ConfigError, DataError
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.training.config import HeadConfig

CALIBRATION_FOLDS = 5  # of a calibration
_TRIED_ROWS = 3 * CALIBRATION_FOLDS  # of each class, when a head is tried out


def build_head(head: HeadConfig, labels: Sequence[Any] = ()) -> Any:
    """Return the classifier that a HeadConfig names: LinearSVC with the fast solver, the others as they are."""
    module, _, name = head.class_name.rpartition(".")
    options = {**head.options}
    if options.get("class_weight") == "sqrt":
        options["class_weight"] = sqrt_balanced_weights(labels) if len(labels) else None
    try:
        kind = getattr(importlib.import_module(module), name)
        known = inspect.signature(kind).parameters
        settled = {"random_state": 0, "break_ties": True}  # the same twice; predict and decision function agree
        options = {key: value for key, value in settled.items() if key in known} | options
        classifier = (FastLinearSVC if head.class_name == "sklearn.svm.LinearSVC" else kind)(**options)
    except (ImportError, AttributeError, TypeError, ValueError) as err:
        raise ConfigError(f"head {head.class_name!r} with options {head.options}: {err}") from err
    if not any(hasattr(classifier, method) for method in ("decision_function", "predict_proba")):
        raise ConfigError(
            f"head {head.class_name!r} has neither decision_function nor predict_proba; expected a classifier"
        )
    if head.calibrate == "off":
        return classifier
    return CalibratedClassifierCV(classifier, method=head.calibrate, cv=_calibration_folds(labels), ensemble=False)


def sqrt_balanced_weights(labels: Sequence[Any]) -> dict[Any, float]:
    """Return the square root of scikit-learn's balanced weight, by label: between no weights and balanced ones."""
    classes = sorted(set(labels))
    weights = compute_class_weight("balanced", classes=np.array(classes), y=np.array(labels))
    return {label: float(weight) ** 0.5 for label, weight in zip(classes, weights, strict=True)}


def _calibration_folds(labels: Sequence[Any]) -> int:
    counts = Counter(labels)
    label, fewest = min(counts.items(), key=lambda item: item[1], default=(None, CALIBRATION_FOLDS))
    if fewest < 2:
        raise DataError(f"class {label!r} has 1 training row; a calibration needs 2 or more of each: leave it out")
    return min(CALIBRATION_FOLDS, fewest)


def try_head(features: str, head: HeadConfig, labels: Sequence[Any]) -> None:
    """Fit the head on a few made-up rows of each class, so that what it refuses shows before BERT runs.

    Raises
    ------
    ConfigError
        With the classifier's own reason: a bad option, a class weight for an absent label, no sparse input.
    """
    classes = sorted(set(labels))
    made_up = [label for label in classes for _ in range(_TRIED_ROWS)]
    rows: Any = np.random.default_rng(0).random((len(made_up), 4)).astype(np.float32)
    if features != "bert":
        from scipy.sparse import csr_matrix

        rows = csr_matrix(rows)
    build_head(head, labels)  # refuses a calibration on too few rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            build_head(head, made_up).fit(rows, made_up)
        except Exception as err:  # each classifier raises its own
            reason = str(err).split("\n")[0]
            raise ConfigError(
                f"head {head.class_name!r} with options {head.options} on features {features!r}: {reason}"
            ) from err
