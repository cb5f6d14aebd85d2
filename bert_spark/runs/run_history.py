"""Read the records of earlier runs and show them as a table. Needs no Spark; no text of the data is in records."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from bert_spark.runs.run_record import RECORDS_FOLDER
from bert_spark.storage import Folder

logger = logging.getLogger(__name__)


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
        The folder of records.
    output
        The output's path or table. Only its last part is compared, since the same path may be written in several ways.
    """
    name = _last_part(output)
    records = [_read_record(folder, file) for file in folder.names() if file.endswith(".json")]
    matching = [record for record in records if _last_part(str(record.get("output", ""))) == name]
    return sorted(matching, key=lambda record: str(record.get("started")), reverse=True)


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _read_record(folder: Folder, file: str) -> dict[str, Any]:
    try:
        return dict(json.loads(folder.read(file) or "{}"))
    except ValueError:  # a full disk cut the file short
        logger.warning("skipping the record %s/%s: it is not complete JSON", folder.uri, file)
        return {}


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
