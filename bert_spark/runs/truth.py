"""Compare predicted labels with those that the rows already have, by counting pairs of labels. Runs no BERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.spark.label_column import check_label_column, usable_label
from bert_spark.tables.references import find_columns, path_type
from bert_spark.tables.schema import exact_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_CHECKED_LABELS = 10_000
_LARGEST_WHOLE = 10**15  # beyond it, a double does not hold every whole number


@dataclass(frozen=True)
class Truth:
    """The labels that the rows have, to compare with those that a job predicts.

    Labels are compared as texts: 1, 1.0 and "1" are one label, as are the same words. NaN is no label.

    Parameters
    ----------
    column
        The column of the labels.
    predicted
        The column of the predicted labels.
    classes
        The labels that can be predicted.
    trim
        Whether blanks around labels do not count.
    """

    column: str
    predicted: str
    classes: Sequence[Any]
    trim: bool = False

    def check_column(self, rows: DataFrame) -> None:
        """Refuse a column that does not exist or whose type can't hold classes.

        Raises
        ------
        DataError
            As `check_label_column` raises.
        """
        check_label_column(rows, self.column, "--truth")

    def check_labels(self, rows: DataFrame) -> None:
        """Refuse a column whose first labels are no classes at all, before BERT runs.

        Raises
        ------
        DataError
            If there are labels among the first rows, and none of them is a class.
        """
        label = self._label(rows)
        first = rows.select(label.alias("label")).where("label is not null").limit(_CHECKED_LABELS)
        found = first.agg(F.count("label"), F.count_if(F.col("label").isin(self._names))).collect()[0]
        if found[0] and not found[1]:
            raise DataError(
                f"none of the first {found[0]:,} labels of column {self.column!r} is a class of the artefact: "
                f"{self._names[:20]}; set --truth to the column of such labels, or --trim-labels if they have blanks "
                "around them"
            )

    def compare(self, rows: DataFrame) -> dict[str, Any]:
        """Return the metrics of rows with predicted labels, and how many rows were left out, as JSON holds them."""
        label, names = self._label(rows), self._names
        from bert_spark.training.evaluation import evaluate_counts  # loads scikit-learn

        is_class = label.isin(names)
        truth = F.when(is_class, label).alias("truth")  # other labels are not brought here: they may be texts
        predicted = exact_column(self.predicted).cast("string").alias("predicted")
        pairs = rows.select(label.isNotNull().alias("labelled"), truth, predicted)
        groups = pairs.groupBy("labelled", "truth", "predicted").count().collect()
        labelled = [row for row in groups if row.labelled]
        compared = {(row.truth, row.predicted): row["count"] for row in labelled if row.predicted is not None}
        return {
            "column": self.column,
            "without_label": sum(row["count"] for row in groups if not row.labelled),
            "without_prediction": sum(row["count"] for row in labelled if row.predicted is None),
            "of_no_class": sum(count for (label_or_none, _), count in compared.items() if label_or_none is None),
            **evaluate_counts(compared, names),
        }

    @property
    def _names(self) -> list[str]:
        return [_name(label) for label in self.classes]

    def _label(self, rows: DataFrame) -> Column:
        """Return the labels as strings, whole numbers without their zeros; null for a row without a label."""
        label = usable_label(rows, self.column, trim=self.trim)
        kind = path_type(rows.schema, find_columns(rows.schema, self.column)[0])
        if isinstance(kind, (T.FloatType, T.DoubleType, T.DecimalType)):
            whole = F.when(F.abs(label) < _LARGEST_WHOLE, label.cast("bigint"))
            return F.when(whole == label, whole.cast("string")).otherwise(label.cast("string"))
        return label.cast("string")


def _name(label: Any) -> str:
    """Return a class as Spark casts it to a string."""
    return str(label).lower() if isinstance(label, bool) else str(label)
