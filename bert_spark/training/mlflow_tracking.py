"""Log a training to MLflow: parameters, figures, report, and the artefact as a model."""

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
    with _mlflow_errors():
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
    needs = [f"bert-spark=={VERSION}", *(f"{name}=={installed[name]}" for name in _REQUIREMENTS)]
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
            pip_requirements=needs,
        )
    return str(model.model_uri)


@contextmanager
def _local_copy(folder: str) -> Iterator[str]:
    """Give the folder where it is on this machine, else a copy of it."""
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
