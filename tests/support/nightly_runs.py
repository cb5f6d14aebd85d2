"""Scheduled runs of jobs/score.py for tests: tables of tweets by day, growing folders, and what the output holds."""

import json
import secrets
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs import score, train

DAYS = ["2026-11-22", "2026-11-23", "2026-11-24"]
BY_COLUMN = ["--date-column", "day"]
TEXTS = ["i am so happy today", "i miss you", "what a great day", "feeling sad", "so tired", "hello there"]


def texts(day, rows):
    """Return rows of one day or file: a key, the day, and a text that no other row has."""
    return [(f"{day}-{n}", day, f"{TEXTS[n % len(TEXTS)]} number {n} of {day}") for n in range(rows)]


def keys_of_day(day, rows):
    """Return the sorted keys of a day with so many rows."""
    return sorted(key for key, _, _ in texts(day, rows))


def keys_of_files(**rows_by_file):
    """Return the sorted keys of files, given each file's number of rows."""
    return sorted(key for name, rows in rows_by_file.items() for key, _, _ in texts(name, rows))


def rows_by_partition(output):
    """Return what a folder of Parquet files holds: partition, "name=value" -> sorted (key, label)."""
    rows = {}
    for file in sorted(output.glob("*=*/part-*.parquet")):
        table = pq.read_table(file, columns=["key", "label", "error"], partitioning=None)
        found = [(row["key"], row["label"]) for row in table.to_pylist()]
        if found:
            rows.setdefault(file.parent.name, []).extend(found)
    return {partition: sorted(found) for partition, found in rows.items()}


def train_artefact(model, folder, sad_every):
    """Train an artefact on 180 texts, of which every so many is sad; return its folder."""
    lines = [f"{text} {n},{'joy' if n % sad_every else 'sadness'}" for n, text in enumerate(TEXTS * 30)]
    (folder / "train.csv").write_text("\n".join(["text,label", *lines, ""]))
    options = ["--input", str(folder / "train.csv"), "--model", str(model), "--output", str(folder / "artefact")]
    assert train.main([*options, "--no-baseline"]) == 0
    return str(folder / "artefact")


class NightlyRuns:
    """A folder with an input by day and an output; `score` runs the job on it and returns its exit code."""

    def __init__(self, spark, artefact, folder):
        self.spark, self.artefact, self.folder = spark, artefact, folder
        self.input, self.output = folder / "tweets", folder / "scores"
        self.work = folder  # where rows are staged and records are written

    def write_day(self, day, rows, missing=0):
        """Write or overwrite the input of one day as Parquet; the first `missing` rows have no text."""
        folder = self.input / f"of={day}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        values = [(key, date, None if n < missing else text) for n, (key, date, text) in enumerate(texts(day, rows))]
        columns = zip(*values, strict=True) if values else ([], [], [])
        table = pa.table([pa.array(column, pa.string()) for column in columns], names=["key", "day", "text"])
        pq.write_table(table, folder / f"part-{secrets.token_hex(4)}.parquet")  # another file than before

    def command(self, *options):
        """Return the job's command line."""
        base = ["--artefact", self.artefact, "--input", str(self.input), "--output", str(self.output)]
        return [*base, *map(str, options)]

    def score(self, *options):
        """Run jobs/score.py and return its exit code."""
        return score.main(self.command(*options))

    def branches(self):
        """Return the branches of the output besides the main one: a folder has none."""
        return []

    def rows(self, output=None):
        """Return what the output holds: partition -> sorted (key, label)."""
        found = rows_by_partition(Path(output or self.output))
        return {partition.partition("=")[2]: rows for partition, rows in found.items()}

    def keys(self):
        """Return all keys of the output, sorted."""
        return sorted(key for rows in self.rows().values() for key, _ in rows)

    def records(self, **expected):
        """Return the records that have these values, oldest first."""
        files = sorted((self.work / "_manifests").glob("*.json"))
        records = [json.loads(path.read_text()) for path in files]
        return [record for record in records if all(record.get(name) == value for name, value in expected.items())]

    def files(self):
        """Return the bytes of every file of the output by its path."""
        return {str(path): path.read_bytes() for path in sorted(self.output.rglob("*")) if path.is_file()}


class JsonStream:
    """A growing input folder of json files; `score` runs the job incrementally, one file a micro-batch."""

    def __init__(self, nightly):
        self.nightly = nightly
        self.base = ["--format", "json", "--incremental", "--checkpoint", nightly.folder / "seen", "--max-files", "1"]
        nightly.input.mkdir()

    def write_file(self, name, rows, missing=0, **columns):
        """Write `name`.json; the first `missing` rows have no text, and every row has the values of `columns`."""
        records = [
            {"key": key, "text": None if n < missing else text, **columns}
            for n, (key, _, text) in enumerate(texts(name, rows))
        ]
        (self.nightly.input / f"{name}.json").write_text("\n".join([*map(json.dumps, records), ""]))

    def score(self, *options):
        """Run jobs/score.py and return its exit code."""
        return self.nightly.score(*self.base, *options)
