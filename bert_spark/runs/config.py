"""The settings of runs: what embed and score add, the schedule, the limits, and the history."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass

from bert_spark.errors import ConfigError
from bert_spark.settings import at_least, check_fields, option


@dataclass(frozen=True)
class EmbedConfig:
    """What jobs/embed.py adds."""

    embedding_column: str = option("embedding", "name of the column that receives the vectors")
    reuse: str | None = option(
        None, "earlier output of the same encoder; texts that it holds take their vectors from it, without BERT"
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class ScoreConfig:
    """What jobs/score.py uses and adds."""

    artefact: tuple[str, ...] = option(
        (),
        "folder that jobs/train.py wrote; repeat it for several of one encoder: BERT runs once, and the columns are "
        "label_NAME, margin_NAME and so on, where NAME is the part of the paths that differs",
    )
    embedding_column: str | None = option(
        None,
        "column of vectors in the input, read instead of running BERT; by default that of an output of jobs/embed.py; "
        "'' runs BERT in any case",
    )
    trust_vectors: bool = option(
        False, "score vectors that do not say which encoder made them: they are the artefact's encoder's"
    )
    label_column: str = option("label", "name of the column that receives the labels")
    margin_column: str = option("margin", "name of the column that receives each label's value")
    truth: str | None = option(
        None, "column of the labels that are there: the predicted ones are compared with them, and a report is printed"
    )
    trim_labels: bool = option(False, "remove blanks around the labels of --truth; a blank one counts as missing")
    scores: bool = option(False, "add a map from each class to its value")
    scores_column: str = option("scores", "name of the column that receives that map")
    keep_embedding: bool = option(False, "keep the vectors in the output")
    min_probability: float | None = option(
        None, "probability below which the label is null; needs a calibrated artefact"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.min_probability is not None and not 0 <= self.min_probability <= 1:
            raise ConfigError(f"min_probability={self.min_probability} is not a probability; expected 0 to 1")


@dataclass(frozen=True)
class ScheduleConfig:
    """A run that stages, audits and publishes: one day, a range of days, what is new in the input, or what differs."""

    run_date: str | None = option(None, "publish the partition of this day, YYYY-MM-DD; --input may contain {run_date}")
    from_date: str | None = option(
        None, "first day of a range, published day by day; the same command resumes a range that stopped", flag="--from"
    )
    to_date: str | None = option(None, "last day of the range that begins at --from", flag="--to")
    date_column: str | None = option(None, "column with the date of each row; a day's rows are those with its date")
    time_zone: str | None = option(
        None,
        "time zone in which a timestamp becomes a date, e.g. Europe/Berlin; by default that of "
        "spark.sql.session.timeZone if it is set, else UTC",
    )
    date_format: str | None = option(
        None,
        "format of dates that are texts, in Spark's letters, such as dd-MM-yyyy, or EEE MMM dd HH:mm:ss Z yyyy for "
        "Twitter's; by default yyyy-MM-dd with or without a time",
    )
    incremental: bool = option(False, "publish what is new in the input since the last run; needs --checkpoint")
    checkpoint: str | None = option(None, "folder in which Spark records what was read; for --incremental")
    max_files: int = option(1000, "largest number of new files in one micro-batch")
    max_bytes: int | None = option(
        None, "new bytes in one micro-batch, about; replaces --max-files, and needs Spark 4 or later"
    )
    schema: str | None = option(
        None,
        "columns of the new files as DDL, e.g. 'id STRING, text STRING'; by default those of the first run",
    )
    skip_refused: bool = option(
        False, "leave out permanently the rows that earlier incremental runs read and the limits refused"
    )
    sync: bool = option(
        False,
        "keep the output in step with the input, by --id-column: only new and changed texts are encoded, and rows that "
        "the input no longer has are removed",
    )
    require_input: bool = option(False, "exit with code 5 if there is nothing to do")
    new_version: bool = option(
        False, "if the output belongs to another model, start a separate one, OUTPUT_v2, instead of refusing"
    )
    work: str | None = option(
        None, "folder for staged rows, the lock and records; by default the folder that holds the output"
    )
    keep_days: int | None = option(
        None,
        "remove records of this output's runs, and rows of days that the limits refused, once they are older than so "
        "many days; by default they stay",
    )
    estimate: int | None = option(
        None, "encode a sample of this many rows, print time and size for the whole input, and stop"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.estimate is not None:
            at_least(self, estimate=1)
        at_least(self, max_files=1)
        if self.max_bytes is not None:
            at_least(self, max_bytes=1)
        if self.keep_days is not None:
            at_least(self, keep_days=1)
        modes = [name for name in ("run_date", "from_date", "incremental", "sync") if getattr(self, name)]
        if len(modes) > 1:
            raise ConfigError(
                f"got {' and '.join(modes)}; expected one of --run-date, --from with --to, --incremental, --sync"
            )
        if (self.from_date is None) != (self.to_date is None):
            raise ConfigError("got one of --from and --to; expected both, the first and the last day")
        if self.incremental != (self.checkpoint is not None):
            raise ConfigError("got one of --incremental and --checkpoint; expected both")
        self.days  # noqa: B018 - raises for a wrong date

    @property
    def is_scheduled(self) -> bool:
        """Whether this run stages, audits and publishes."""
        return bool(self.run_date or self.from_date or self.incremental or self.sync)

    @property
    def days(self) -> list[str]:
        """The days to publish, YYYY-MM-DD, in order; empty unless the run is by day."""
        first, last = self.run_date or self.from_date, self.run_date or self.to_date
        if first is None or last is None:
            return []
        start, end = _parse_day(first), _parse_day(last)
        if end < start:
            raise ConfigError(f"--from {first} is after --to {last}")
        return [str(start + datetime.timedelta(days=n)) for n in range((end - start).days + 1)]


def _parse_day(text: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ConfigError(f"date {text!r} is not a day; expected YYYY-MM-DD, e.g. 2026-11-24") from None


@dataclass(frozen=True)
class LimitsConfig:
    """The limits of a staged result. A result outside them is not published."""

    max_missing_share: float = option(0.1, "largest share of rows without a text, 0 to 1")
    max_error_share: float = option(0.01, "largest share of rows that are malformed or failed, 0 to 1")
    max_undated_share: float = option(
        0.5, "largest share of the input's records whose date cannot be read, 0 to 1; for --date-column"
    )
    max_removed_share: float = option(
        0.5, "largest share of the output's rows that the input no longer has, 0 to 1; for --sync"
    )
    max_label_shift: float | None = option(
        None, "largest total variation distance between the labels and those of the training rows, 0 to 1"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        for name in [spec.name for spec in dataclasses.fields(self)]:
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name}={value} is not a share; expected 0 to 1")


@dataclass(frozen=True)
class InspectConfig:
    """What jobs/inspect.py looks at, besides the input and the tokenizer."""

    label_column: str | None = option(
        None, "column of labels; by default one with few different values, if there is one"
    )
    examples: bool = option(False, "also print some values of each column, which are texts of the data")
    sample: int = option(10_000, "number of texts that the tokenizer reads, chosen at random")

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(self, sample=1)


@dataclass(frozen=True)
class CalibrateConfig:
    """What jobs/calibrate.py writes, and how many texts it reads."""

    output: str | None = option(None, "folder for the calibrated copy of the model; it must not exist")
    texts: int = option(1000, "number of different texts to measure with, the same ones on every run")

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(self, texts=100)


@dataclass(frozen=True)
class HistoryConfig:
    """The runs that jobs/history.py shows."""

    output: str | None = option(None, "folder or table that the runs wrote")
    work: str | None = option(None, "the --work of the runs, if they had one")
    last: int = option(20, "number of runs to show, newest first")
    staged: bool = option(False, "show instead what is staged and not published, and why")
    publish: str | None = option(None, "publish the staged rows of this run as they are, whatever the limits say")
    discard: str | None = option(None, "remove the staged rows of this run; the output stays as it is")

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(self, last=1)
        actions = [name for name in ("staged", "publish", "discard") if getattr(self, name)]
        if len(actions) > 1:
            raise ConfigError(f"got {' and '.join(actions)}; expected one of --staged, --publish, --discard")
