"""A training in MLflow: parameters, figures, report, and the artefact as a model of MLflow's. The model is the
artefact's folder and the name of this module, no pickle and no code: loading it is `load_artefact`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from bert_spark.artefact import Artefact, load_artefact
from bert_spark.errors import SetupError
from bert_spark.versions import VERSION, versions

_INDEXED = ("numpy", "pandas", "scikit-learn", "skops", "torch", "transformers")


class Labels(pd.arrays.StringArray):
    """Texts, some missing, which stay so in MLflow's spark_udf: its cast would make the word "nan" of them."""

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Return the values as another type; as numpy's text, objects that keep None."""
        if pd.api.types.pandas_dtype(dtype).kind != "U":
            return super().astype(dtype, copy=copy)
        plain = super().astype(object)
        plain[self.isna()] = None
        return plain


class TextClassifier:
    """What `mlflow.pyfunc.load_model` gives: a table with a column "text" to a table of labels and margins."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return "label", a string, and "margin", float64; a missing text has neither."""
        given = model_input["text"].notna().to_numpy()
        values = self.artefact.decision(model_input["text"][given].tolist())
        labels = np.full(len(given), None, dtype=object)
        labels[given] = [str(label) for label in self.artefact.labels[values.argmax(axis=1)]]
        margins = np.full(len(given), np.nan)
        margins[given] = values.max(axis=1)
        return pd.DataFrame({"label": Labels(labels), "margin": margins}, index=model_input.index)


def _load_pyfunc(data_path: str) -> TextClassifier:
    """Return the model of a folder: the name and the argument are MLflow's."""
    return TextClassifier(load_artefact(data_path))


@contextmanager
def _told() -> Iterator[None]:
    """Give MLflow's errors the store's address and the way out."""
    import mlflow

    try:
        yield
    except (mlflow.exceptions.MlflowException, OSError) as err:
        store = mlflow.get_tracking_uri()
        raise SetupError(
            f"MLflow at {store!r} refused ({err}); set MLFLOW_TRACKING_URI, or leave --mlflow out"
        ) from err


def check_store() -> None:
    """Look whether MLflow and its store are there, before any work.

    Raises
    ------
    SetupError
        When MLflow is not installed, or its store can't be reached.
    """
    try:
        import mlflow
    except ImportError as err:
        raise SetupError("mlflow is not installed here; pip install 'bert-spark[mlflow]'") from err
    with _told():
        mlflow.MlflowClient().search_experiments(max_results=1)


def log_training(folder: str, figures: Mapping[str, Any], facts: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Log one training to MLflow and return the model's address there.

    Experiment and store are MLflow's own to choose: MLFLOW_EXPERIMENT_NAME, MLFLOW_TRACKING_URI. A run that is active
    gets another beneath it.

    Parameters
    ----------
    folder
        The artefact's.
    figures
        By split, as `judge` returns them: their numbers become metrics, such as ``test.accuracy``.
    facts
        What metadata.json says of how it was made: becomes parameters.
    files
        Name -> content of what is to be seen beside the run.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec("string", "text")])
    outputs = Schema([ColSpec("string", "label"), ColSpec("double", "margin")])
    installed = versions()
    needs = [f"bert-spark=={VERSION}", *(f"{name}=={installed[name]}" for name in _INDEXED)]
    with _told(), mlflow.start_run(nested=mlflow.active_run() is not None), _local(folder) as local:
        mlflow.log_params(_flat({name: facts[name] or {} for name in ("about", "split", "encoder")}))
        mlflow.log_metrics(_numbers({**figures, "seconds": facts["timings"]}))
        for name, content in files.items():
            mlflow.log_text(content, name)
        model = mlflow.pyfunc.log_model(
            name="model",
            loader_module=__name__,
            data_path=local,
            signature=ModelSignature(inputs, outputs),
            pip_requirements=needs,
        )
    return str(model.model_uri)


@contextmanager
def _local(folder: str) -> Iterator[str]:
    """Give the folder where it is on this machine, else a copy of it."""
    fs, root = url_to_fs(folder)
    if isinstance(fs, LocalFileSystem):
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="bert_spark-") as copy:
        fs.get(f"{root}/", f"{copy}/", recursive=True)
        yield copy


def _flat(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{table}.{name}": value for table, values in tables.items() for name, value in values.items()}


def _numbers(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(value) for name, value in _flat(tables).items() if isinstance(value, (int, float))}
