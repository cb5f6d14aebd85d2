"""Read the records that runs left beside their output. Needs no Spark; no text of the data is in records."""

from __future__ import annotations

import heapq
import json
import logging
import re
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from bert_spark.storage import Folder

logger = logging.getLogger(__name__)

RECORDS_FOLDER = "_manifests"
STAMP = re.compile(r"-(\d{8}T\d{6})-")  # in the name of a record: when its run began, in UTC


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
    stamps = {file: STAMP.search(file) for file in folder.names() if file.endswith(".json") and file.startswith(job)}
    dated = sorted(((stamp[1], file) for file, stamp in stamps.items() if stamp), reverse=True)
    read = ((stamp, read_record(folder, file)) for stamp, file in dated)
    # A file that somebody has renamed does not say when its run began.
    others = [
        (_stamp_of(record), record) for file in stamps if not stamps[file] for record in [read_record(folder, file)]
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


def read_record(folder: Folder, file: str) -> dict[str, Any]:
    """Return a record; an empty dict, with a warning, if it is not complete."""
    try:
        return dict(json.loads(folder.read(file) or "{}"))
    except ValueError:  # a full disk cut the file short
        logger.warning("skipping the record %s/%s: it is not complete JSON", folder.uri, file)
        return {}
