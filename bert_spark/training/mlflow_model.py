"""The artefact as an MLflow pyfunc model. MLflow loads it by the name of this module: no pickle, no code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bert_spark.artefact.artefact import Artefact
from bert_spark.artefact.loading import load_artefact


class NullableLabels(pd.arrays.StringArray):
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
        return pd.DataFrame({"label": NullableLabels(labels), "margin": margins}, index=model_input.index)


def _load_pyfunc(data_path: str) -> TextClassifier:
    """Return the model of a folder: the name and the argument are MLflow's."""
    return TextClassifier(load_artefact(data_path))
