"""The records of earlier runs: read from their folder, and shown as a table. No text of the data is in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from bert_spark.tables.storage import Folder

logger = logging.getLogger(__name__)

RECORDS_FOLDER = "_manifests"


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
    return history_table(records_of_output(Folder(base) / RECORDS_FOLDER, output)[:last])


def records_of_output(folder: Folder, output: str) -> list[dict[str, Any]]:
    """Return the records of runs into an output, newest first.

    Parameters
    ----------
    folder
        Where records are kept.
    output
        The output's path or table; its last part counts, since one path may be written in several ways.
    """
    name = output.rstrip("/").rpartition("/")[2]
    found = [_read_record(folder, file) for file in folder.names() if file.endswith(".json")]
    mine = [record for record in found if str(record.get("output", "")).rstrip("/").rpartition("/")[2] == name]
    return sorted(mine, key=lambda record: str(record.get("started")), reverse=True)


def _read_record(folder: Folder, file: str) -> dict[str, Any]:
    try:
        return dict(json.loads(folder.read(file) or "{}"))
    except ValueError:  # cut short by a full disk
        logger.warning("the record %s/%s can't be read", folder.uri, file)
        return {}


def history_table(records: Sequence[Mapping[str, Any]]) -> str:
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
