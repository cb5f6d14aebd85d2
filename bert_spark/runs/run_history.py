"""Read the records of earlier runs and show them as a table. Needs no Spark; no text of the data is in records."""

from __future__ import annotations

import heapq
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from bert_spark.runs.run_record import RECORDS_FOLDER
from bert_spark.storage import Folder

logger = logging.getLogger(__name__)

_STAMP = re.compile(r"-(\d{8}T\d{6})-")  # in the name of a record: when its run began, in UTC


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


def records_of_output(folder: Folder, output: str, job: str = "") -> Iterator[dict[str, Any]]:
    """Yield the records of runs into an output, newest first. A record is read when it is asked for.

    Parameters
    ----------
    folder
        The folder of records.
    output
        The output's path or table. Only its last part is compared, since the same path may be written in several ways.
    job
        Only records of this job, if it is set.
    """
    name = _last_part(output)
    stamps = {file: _STAMP.search(file) for file in folder.names() if file.endswith(".json") and file.startswith(job)}
    dated = sorted(((stamp[1], file) for file, stamp in stamps.items() if stamp), reverse=True)
    read = ((stamp, _read_record(folder, file)) for stamp, file in dated)
    # A file that somebody has renamed does not say when its run began.
    others = [
        (_stamp_of(record), record) for file in stamps if not stamps[file] for record in [_read_record(folder, file)]
    ]
    others.sort(key=itemgetter(0), reverse=True)
    for _, record in heapq.merge(read, others, key=itemgetter(0), reverse=True):
        if _last_part(str(record.get("output", ""))) == name and record.get("job", "").startswith(job):
            yield record


def _stamp_of(record: Mapping[str, Any]) -> str:
    """Return when a run began, as the name of its record says it: 20261124T023100."""
    return re.sub("[-:]", "", str(record.get("started")))[:15]


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
