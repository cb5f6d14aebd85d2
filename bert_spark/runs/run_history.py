"""Show the records of earlier runs as a table. Needs no Spark; no text of the data is in records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from bert_spark.storage import Folder
from bert_spark.tables.run_records import RECORDS_FOLDER, records_of_output


def history_of_output(output: str, work: str | None, last: int) -> str:
    """Return the last runs into an output as a table, newest first.

    Parameters
    ----------
    output
        The output's path or table.
    work
        The `--work` of the runs; None if it was not set.
    last
        How many runs.
    """
    output = output.rstrip("/")
    base = work or (output.rpartition("/")[0] or ("/" if output.startswith("/") else "."))
    return history_table(list(islice(records_of_output(Folder(base) / RECORDS_FOLDER, output), last)))


def history_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as a table with one line a run."""
    import pandas as pd

    if not records:
        return "no runs are recorded for this output"
    rows = [
        {
            "started": str(record["started"])[:16].replace("T", " "),
            "job": record["job"],
            "partition": record.get("partition", ""),
            "status": record.get("status", "written"),
            "rows": record.get("rows_out", ""),
            "missing": record.get("rows_missing", ""),
            "wrong": record["rows_malformed"] + record["rows_failed"] if "rows_failed" in record else "",
            "rows/s": record.get("rows_per_second", ""),
            "shift": "" if record.get("label_shift") is None else f"{record['label_shift']:.3f}",
            "encoder": record["fingerprint"][:8],
        }
        for record in records
    ]
    return pd.DataFrame(rows).to_string(index=False)
