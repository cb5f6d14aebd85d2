"""An artefact as an MLflow pyfunc model.

MLflow imports this module by name to load the model: the model holds neither a pickle nor code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bert_spark.artefact.artefact import Artefact
from bert_spark.artefact.loading import load_artefact


class NullableLabels(pd.arrays.StringArray):
    """A string array whose missing values stay missing in MLflow's spark_udf.

    MLflow casts the array to numpy's text type, which would turn a missing value into the text "nan".
    """

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Return the values as another type. For numpy's text types the result is an object array that holds None."""
        if pd.api.types.pandas_dtype(dtype).kind != "U":
            return super().astype(dtype, copy=copy)
        values = super().astype(object)
        values[self.isna()] = None
        return values


class TextClassifier:
    """The model that `mlflow.pyfunc.load_model` wraps: from a column of texts to labels and margins.

    Parameters
    ----------
    artefact
        The loaded artefact.
    """

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return the columns "label" (string) and "margin" (float64) for a frame with a column "text".

        Both are missing in the rows whose text is missing.
        """
        has_text = model_input["text"].notna().to_numpy()
        scores = self.artefact.decision(model_input["text"][has_text].tolist())
        labels = np.full(len(has_text), None, dtype=object)
        labels[has_text] = [str(label) for label in self.artefact.labels[scores.argmax(axis=1)]]
        margins = np.full(len(has_text), np.nan)
        margins[has_text] = scores.max(axis=1)
        return pd.DataFrame({"label": NullableLabels(labels), "margin": margins}, index=model_input.index)


def _load_pyfunc(data_path: str) -> TextClassifier:
    """Return the model in a folder. MLflow defines the name and the argument of this function."""
    return TextClassifier(load_artefact(data_path))
