"""Name the extra of the package to install where a job needs a library that is not there."""

from __future__ import annotations

from bert_spark.errors import SetupError

_EXTRAS = {
    "jinja2": "report",
    "markupsafe": "report",
    "matplotlib": "report",
    "mlflow": "mlflow",
    "openvino": "openvino",
    "py4j": "spark",
    "pyspark": "spark",
    "tqdm": "spark",
}


def missing_extra(err: ModuleNotFoundError) -> SetupError | None:
    """Return the error that says what to install; None if the module belongs to no extra."""
    library = (err.name or "").partition(".")[0]
    if library not in _EXTRAS:
        return None
    return SetupError(
        f"this job needs {library}, which is not installed here: pip install 'bert-spark[{_EXTRAS[library]}]', or in a "
        f"checkout pip install -e '.[{_EXTRAS[library]}]'"
    )
