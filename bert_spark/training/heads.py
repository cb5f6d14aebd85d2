"""Build the classifier that the settings name, and try it on random rows before BERT runs."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_class_weight

from bert_spark.artefact.skops_audit import dump_pipeline
from bert_spark.artefact.trusted_types import TRUSTED_TYPES
from bert_spark.errors import ArtefactError, ConfigError, DataError
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.training.config import HeadConfig

CALIBRATION_FOLDS = 5
_TRIAL_ROWS = 3 * CALIBRATION_FOLDS  # random rows of each class on which `try_head` fits
_TRIAL_WIDTH = 32  # as BERT's vectors, they are too wide for the trees in which a neighbour search keeps narrow ones


def build_head(head: HeadConfig, labels: Sequence[Any] = ()) -> Any:
    """Return the unfitted classifier that the settings name. LinearSVC gets the fast solver, `FastLinearSVC`.

    Parameters
    ----------
    head
        Class, options and calibration.
    labels
        Labels of the training rows. ``class_weight="sqrt"`` and the number of calibration folds depend on them.

    Raises
    ------
    ConfigError
        If the class does not exist, does not take its options, or has neither decision_function nor predict_proba.
    DataError
        If a class has too few rows to calibrate on.
    """
    module, _, name = head.class_name.rpartition(".")
    options = {**head.options}
    if options.get("class_weight") == "sqrt":
        options["class_weight"] = sqrt_balanced_weights(labels) if len(labels) else None
    try:
        kind = getattr(importlib.import_module(module), name)
        known = inspect.signature(kind).parameters
        # a fixed seed makes fits repeatable; break_ties makes SVC.predict agree with its decision function
        defaults = {"random_state": 0, "break_ties": True}
        options = {key: value for key, value in defaults.items() if key in known} | options
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
    """Return label -> the square root of scikit-learn's "balanced" weight, a compromise between it and no weights."""
    classes = sorted(set(labels))
    weights = compute_class_weight("balanced", classes=np.array(classes), y=np.array(labels))
    return {label: float(weight) ** 0.5 for label, weight in zip(classes, weights, strict=True)}


def _calibration_folds(labels: Sequence[Any]) -> int:
    counts = Counter(labels)
    label, fewest = min(counts.items(), key=lambda item: item[1], default=(None, CALIBRATION_FOLDS))
    if fewest < 2:
        raise DataError(
            f"class {label!r} has 1 training row; calibration needs 2 or more of each class: "
            "add rows of that class or pass --calibrate off"
        )
    return min(CALIBRATION_FOLDS, fewest)


def try_head(features: str, head: HeadConfig, labels: Sequence[Any]) -> None:
    """Fit the classifier on a few random rows of each class and save it, so that errors show before BERT runs.

    Parameters
    ----------
    features
        "bert", "tfidf" or "bert+tfidf". With TF-IDF the rows are sparse.
    head
        The classifier.
    labels
        Labels of the training rows.

    Raises
    ------
    ConfigError
        If the classifier refuses an option, a class weight for an absent label, or sparse input, or if an artefact
        can't hold it.
    DataError
        If a class has too few rows to calibrate on.
    """
    classes = sorted(set(labels))
    trial_labels = [label for label in classes for _ in range(_TRIAL_ROWS)]
    rows: Any = np.random.default_rng(0).random((len(trial_labels), _TRIAL_WIDTH)).astype(np.float32)
    if features != "bert":
        from scipy.sparse import csr_matrix

        rows = csr_matrix(rows)
    build_head(head, labels)  # raises if the real labels are too few to calibrate on
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted = build_head(head, trial_labels).fit(rows, trial_labels)
        except Exception as err:  # each classifier raises its own exceptions
            reason = str(err).split("\n")[0]
            raise ConfigError(
                f"head {head.class_name!r} with options {head.options} on features {features!r}: {reason}"
            ) from err
    try:
        dump_pipeline(make_pipeline(fitted), TRUSTED_TYPES)
    except ArtefactError as err:
        raise ConfigError(
            f"head {head.class_name!r} with options {head.options} can be fitted but not saved ({err}); choose a "
            "linear classifier, naive Bayes, SVC or MLPClassifier"
        ) from err
