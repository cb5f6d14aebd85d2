"""Which settings each job has: the sections of its TOML file, whose fields are its options."""

from __future__ import annotations

from bert_spark.encoding.config import EncoderConfig
from bert_spark.runs.config import (
    CalibrateConfig,
    EmbedConfig,
    HistoryConfig,
    InspectConfig,
    LimitsConfig,
    ScheduleConfig,
    ScoreConfig,
)
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.training.config import HeadConfig, SearchConfig, TrainConfig

JOB_SECTIONS: dict[str, dict[str, type]] = {
    "embed": {
        "input": InputConfig,
        "encoder": EncoderConfig,
        "output": OutputConfig,
        "embed": EmbedConfig,
        "schedule": ScheduleConfig,
        "limits": LimitsConfig,
    },
    "train": {"input": InputConfig, "encoder": EncoderConfig, "train": TrainConfig, "head": HeadConfig},
    "search": {
        "input": InputConfig,
        "encoder": EncoderConfig,
        "train": TrainConfig,
        "head": HeadConfig,
        "search": SearchConfig,
    },
    "score": {
        "input": InputConfig,
        "scores": OutputConfig,
        "score": ScoreConfig,
        "schedule": ScheduleConfig,
        "limits": LimitsConfig,
    },
    "inspect": {"input": InputConfig, "encoder": EncoderConfig, "inspect": InspectConfig},
    "calibrate": {"input": InputConfig, "encoder": EncoderConfig, "calibrate": CalibrateConfig},
    "history": {"history": HistoryConfig},
}
# One TOML file may hold the settings of several jobs. "spark" holds settings of Spark itself.
ALL_SECTIONS = (*dict.fromkeys(name for sections in JOB_SECTIONS.values() for name in sections), "spark")
