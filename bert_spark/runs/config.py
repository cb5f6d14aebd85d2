"""The settings of runs: what embed and score add, schedules, limits, history."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from bert_spark.errors import ConfigError
from bert_spark.settings import at_least, check_fields, option


@dataclass(frozen=True)
class EmbedConfig:
    """What jobs/embed.py adds."""

    embedding_column: str = option("embedding", "name of the column of vectors")
    reuse: str | None = option(None, "earlier output of the same encoder: its texts' vectors are taken, not made again")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class ScoreConfig:
    """What jobs/score.py uses and adds."""

    artefact: str | None = option(None, "folder that jobs/train.py wrote")
    embedding_column: str | None = option(None, "column of vectors that is there already; BERT does not run")
    scores: bool = option(False, "add every class's value")
    keep_embedding: bool = option(False, "keep the vector")
    min_probability: float | None = option(None, "below it the label is null; for a calibrated artefact")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.min_probability is not None and not 0 <= self.min_probability <= 1:
            raise ConfigError(f"min_probability={self.min_probability} is no probability; expected 0 to 1")


@dataclass(frozen=True)
class ScheduleConfig:
    """A run that stages, audits and publishes: of a day, of a range of days, or of what is new."""

    run_date: str | None = option(None, "publish this day's partition, YYYY-MM-DD; --input may hold {run_date}")
    from_date: str | None = option(None, "first day to publish, one after the other; resumes", flag="--from")
    to_date: str | None = option(None, "last day of --from", flag="--to")
    date_column: str | None = option(None, "the day's rows are those whose date this column holds")
    incremental: bool = option(False, "publish what is new in the input since the last run; needs --checkpoint")
    checkpoint: str | None = option(None, "folder in which Spark keeps what was read already")
    max_files: int = option(1000, "new files of one micro-batch")
    max_bytes: int | None = option(None, "new bytes of one micro-batch (Spark 4)")
    schema: str | None = option(None, "columns of the new files, as DDL; by default inferred by the first run and kept")
    skip_refused: bool = option(False, "leave out for good what earlier runs read and the limits refused")
    require_input: bool = option(False, "end with exit code 5 where there is nothing to do")
    new_version: bool = option(False, "start a table of its own, OUTPUT_v2, where OUTPUT is another model's")
    work: str | None = option(
        None, "folder for staged rows, lock and records; by default the one that holds the output"
    )
    estimate: int | None = option(None, "encode a sample of so many rows, print what all of the input takes, and stop")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.estimate is not None:
            at_least(self, estimate=1)
        at_least(self, max_files=1)
        if self.max_bytes is not None:
            at_least(self, max_bytes=1)
        ways = [name for name in ("run_date", "from_date", "incremental") if getattr(self, name)]
        if len(ways) > 1:
            raise ConfigError(f"got {' and '.join(ways)}; expected one of --run-date, --from with --to, --incremental")
        if (self.from_date is None) != (self.to_date is None):
            raise ConfigError("got one of --from and --to; expected both, the first and the last day")
        if self.incremental != (self.checkpoint is not None):
            raise ConfigError("got one of --incremental and --checkpoint; expected both")
        self.days  # noqa: B018 - a wrong date is an error now

    @property
    def is_scheduled(self) -> bool:
        """Whether this run stages, audits and publishes."""
        return bool(self.run_date or self.from_date or self.incremental)

    @property
    def days(self) -> list[str]:
        """The days to publish, in order; none where the run is not by days."""
        first, last = self.run_date or self.from_date, self.run_date or self.to_date
        if first is None or last is None:
            return []
        start, end = _day(first), _day(last)
        if end < start:
            raise ConfigError(f"--from {first} is after --to {last}")
        return [str(start + datetime.timedelta(days=n)) for n in range((end - start).days + 1)]


def _day(text: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ConfigError(f"date {text!r} is no day; expected YYYY-MM-DD, e.g. 2026-11-24") from None


@dataclass(frozen=True)
class LimitsConfig:
    """What a staged result may be like; outside these it is not published."""

    max_missing_share: float = option(0.1, "rows without a text")
    max_error_share: float = option(0.01, "rows that are malformed or failed")
    max_label_shift: float | None = option(None, "total variation distance between these labels and the training rows'")

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("max_missing_share", "max_error_share", "max_label_shift"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name}={value} is no share; expected 0 to 1")


@dataclass(frozen=True)
class HistoryConfig:
    """Whose runs jobs/history.py shows."""

    output: str | None = option(None, "folder or table that the runs wrote")
    work: str | None = option(None, "their --work, where it was set")
    last: int = option(20, "runs to show, the newest first")

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(self, last=1)
