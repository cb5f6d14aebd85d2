"""What the tests of scheduled runs share: a trained artefact, tables of tweets by day, and what a table holds."""

import json

import pytest

from jobs import score, train

DAYS = ["2026-11-22", "2026-11-23", "2026-11-24"]
BY_COLUMN = ["--date-column", "day"]
WORDS = ["i am so happy today", "i miss you", "what a great day", "feeling sad", "so tired", "hello there"]


def texts(day, rows):
    """Return rows of one day: a key, a date and a text that no other row has."""
    return [(f"{day}-{n}", day, f"{WORDS[n % len(WORDS)]} number {n} of {day}") for n in range(rows)]


@pytest.fixture(scope="session")
def artefact(spark, tiny_bert, tmp_path_factory):
    """Return the folder of a trained artefact."""
    folder = tmp_path_factory.mktemp("artefacts")
    lines = [f"{text} {n},{'joy' if n % 3 else 'sadness'}" for n, text in enumerate(WORDS * 30)]
    (folder / "train.csv").write_text("\n".join(["text,label", *lines, ""]))
    options = ["--input", str(folder / "train.csv"), "--model", str(tiny_bert), "--output", str(folder / "artefact")]
    assert train.main([*options, "--no-baseline"]) == 0
    return str(folder / "artefact")


class Nights:
    """A folder with an input of days and an output; `score` runs the job on it and returns its exit code."""

    def __init__(self, spark, artefact, folder):
        self.spark, self.artefact, self.folder = spark, artefact, folder
        self.input, self.output = folder / "tweets", folder / "scores"

    def arrive(self, day, rows, missing=0):
        """Write the input of one day as Parquet, anew; the first rows have no text."""
        found = [(key, date, None if n < missing else text) for n, (key, date, text) in enumerate(texts(day, rows))]
        frame = self.spark.createDataFrame(found, "key string, day string, text string")
        frame.coalesce(1).write.mode("overwrite").parquet(str(self.input / f"of={day}"))

    def options(self, *options):
        """Return the job's command line."""
        base = ["--artefact", self.artefact, "--input", str(self.input), "--output", str(self.output)]
        return [*base, *map(str, options)]

    def score(self, *options):
        """Run jobs/score.py."""
        return score.main(self.options(*options))

    def rows(self, output=None):
        """Return what the output holds: partition -> sorted (key, label)."""
        table = self.spark.read.parquet(str(output or self.output))
        name = next(column for column in ("run_date", "batch") if column in table.columns)
        found = {}
        for row in table.select(name, "key", "label", "error").collect():
            found.setdefault(str(row[0]), []).append((row.key, row.label))
        return {partition: sorted(rows) for partition, rows in found.items()}

    def keys(self):
        """Return all keys of the output, sorted."""
        return sorted(key for rows in self.rows().values() for key, _ in rows)

    def records(self, **wanted):
        """Return the records of runs that have these values, oldest first."""
        files = sorted((self.folder / "_manifests").glob("*.json"))
        found = [json.loads(path.read_text()) for path in files]
        return [r for r in found if all(r.get(name) == value for name, value in wanted.items())]

    def files(self):
        """Return the bytes of every file of the output by its name."""
        return {str(path): path.read_bytes() for path in sorted(self.output.rglob("*")) if path.is_file()}


@pytest.fixture
def nights(spark, artefact, tmp_path):
    """Return an empty place for scheduled runs."""
    return Nights(spark, artefact, tmp_path)


class Stream:
    """An input folder of json files that grows, and a job that reads what is new in it."""

    def __init__(self, nights):
        self.nights = nights
        self.base = ["--format", "json", "--incremental", "--checkpoint", nights.folder / "seen", "--max-files", "1"]
        nights.input.mkdir()

    def arrive(self, name, rows, missing=0, **more):
        lines = [
            {"key": key, "text": None if n < missing else text, **more}
            for n, (key, _, text) in enumerate(texts(name, rows))
        ]
        (self.nights.input / f"{name}.json").write_text("\n".join([*map(json.dumps, lines), ""]))

    def score(self, *options):
        return self.nights.score(*self.base, *options)


@pytest.fixture
def stream(nights):
    """Return a stream with two files: 4 and 5 rows."""
    made = Stream(nights)
    made.arrive("a", 4)
    made.arrive("b", 5)
    return made


def keys(**files):
    """Return the keys of files of so many rows, sorted."""
    return sorted(key for name, rows in files.items() for key, _, _ in texts(name, rows))


@pytest.fixture
def three(nights):
    """Return nights whose input holds three days: 5, 6 and 7 rows."""
    for n, day in enumerate(DAYS):
        nights.arrive(day, 5 + n)
    return nights


def keys_of(day, rows):
    """Return the keys of a day of so many rows, sorted."""
    return sorted(key for key, _, _ in texts(day, rows))
