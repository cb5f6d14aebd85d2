"""Log a training run to MLflow: parameters, metrics, the report, and the artefact as a model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from bert_spark.errors import SetupError
from bert_spark.versions import VERSION, versions

LOADER_MODULE = "bert_spark.training.mlflow_model"  # MLflow imports it to load a model
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "skops", "torch", "transformers")


@contextmanager
def _mlflow_errors() -> Iterator[None]:
    """Turn MLflow's errors into a SetupError that names the store and what to change."""
    import mlflow

    try:
        yield
    except (mlflow.exceptions.MlflowException, OSError) as err:
        store = mlflow.get_tracking_uri()
        raise SetupError(f"MLflow at {store!r} failed ({err}); set MLFLOW_TRACKING_URI, or leave --mlflow out") from err


def check_store() -> None:
    """Check before any work that MLflow is installed and its store can be reached.

    Raises
    ------
    SetupError
        If MLflow is not installed or its store cannot be reached.
    """
    try:
        import mlflow
    except ImportError as err:
        raise SetupError("mlflow is not installed; pip install 'bert-spark[mlflow]', or leave --mlflow out") from err
    with _mlflow_errors():
        mlflow.MlflowClient().search_experiments(max_results=1)


def log_training(folder: str, figures: Mapping[str, Any], facts: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Log one training run to MLflow and return the URI of the model there.

    MLflow's own variables choose the experiment and the store: MLFLOW_EXPERIMENT_NAME, MLFLOW_TRACKING_URI. If a run is
    active, a nested run is started in it.

    Parameters
    ----------
    folder
        Folder or URL of the artefact.
    figures
        Metrics by split, as `evaluate_splits` returns them. Numbers become MLflow metrics such as ``test.accuracy``.
    facts
        Entries of metadata.json. "about", "split" and "encoder" become parameters, "timings" become metrics.
    files
        Name -> content of text files to store with the run.

    Raises
    ------
    SetupError
        If MLflow or its store fails.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec("string", "text")])
    outputs = Schema([ColSpec("string", "label"), ColSpec("double", "margin")])
    installed = versions()
    requirements = [f"bert-spark=={VERSION}", *(f"{name}=={installed[name]}" for name in _REQUIREMENTS)]
    with _mlflow_errors(), mlflow.start_run(nested=mlflow.active_run() is not None), _local_copy(folder) as local:
        mlflow.log_params(_flatten({name: facts[name] or {} for name in ("about", "split", "encoder")}))
        mlflow.log_metrics(_metrics({**figures, "seconds": facts["timings"]}))
        for name, content in files.items():
            mlflow.log_text(content, name)
        model = mlflow.pyfunc.log_model(
            name="model",
            loader_module=LOADER_MODULE,
            data_path=local,
            signature=ModelSignature(inputs, outputs),
            pip_requirements=requirements,
        )
    return str(model.model_uri)


@contextmanager
def _local_copy(folder: str) -> Iterator[str]:
    """Yield the folder if it is local, else a temporary local copy of it."""
    fs, root = url_to_fs(folder)
    if isinstance(fs, LocalFileSystem):
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="bert_spark-") as copy:
        fs.get(f"{root}/", f"{copy}/", recursive=True)
        yield copy


def _flatten(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{table}.{name}": value for table, values in tables.items() for name, value in values.items()}


def _metrics(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(value) for name, value in _flatten(tables).items() if isinstance(value, (int, float))}
