"""The records of earlier runs: read from their folder, and shown as a table. No text of the data is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bert_spark.files import Folder

RECORDS = "_manifests"


def records_of(folder: Folder, output: str) -> list[dict[str, Any]]:
    """Return the records of runs into an output, newest first.

    Parameters
    ----------
    folder
        Where records are kept.
    output
        The output's path or table; its last part counts, since one path may be written in several ways.
    """
    name = output.rstrip("/").rpartition("/")[2]
    texts = [folder.read(file) for file in folder.names() if file.endswith(".json")]
    found = [json.loads(text) for text in texts if text]
    mine = [record for record in found if str(record.get("output", "")).rstrip("/").rpartition("/")[2] == name]
    return sorted(mine, key=lambda record: str(record.get("started")), reverse=True)


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as a table, one line a run."""
    import pandas as pd

    if not records:
        return "no runs are recorded for this output"
    rows = [
        {
            "started": str(record["started"])[:16].replace("T", " "),
            "job": record["job"],
            "partition": record.get("partition", ""),
            "status": record.get("status", "written"),
            "rows": record["rows_out"],
            "missing": record["rows_missing"],
            "wrong": record["rows_malformed"] + record["rows_failed"],
            "rows/s": record["rows_per_second"],
            "shift": "" if record.get("label_shift") is None else f"{record['label_shift']:.3f}",
            "encoder": record["fingerprint"][:8],
        }
        for record in records
    ]
    return pd.DataFrame(rows).to_string(index=False)
