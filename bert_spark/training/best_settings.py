"""Write the best candidate of a search, with all other settings of the search, as TOML for jobs/train.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.vector_recipe import recipe_of
from bert_spark.settings import PATH_KEYS, toml_key
from bert_spark.training.grid_search import Candidate

if TYPE_CHECKING:
    from bert_spark.settings import JobSettings

_HEAD = "# The best candidate of jobs/search.py, for jobs/train.py --config"
_BERT_RUNS = """\
# The stored vectors of the search hold more than the best candidate needs, so the training runs BERT on their texts.
"""
_OF_THE_SEARCH = ("artefact", "overwrite")  # its own output folder


def best_as_toml(best: Candidate, job: JobSettings, base: EncoderConfig) -> str:
    """Return settings with which `jobs/train.py --config` trains the best candidate as the search evaluated it.

    Parameters
    ----------
    best
        The candidate.
    job
        The settings of the search. Those that only a training heeds, such as `--bundle`, are passed on.
    base
        Settings of the candidate's encoder besides its pooling.
    """
    encoder = best.encoder(base)
    source, train = _changed(job.input), _changed(job.train)
    train = {key: value for key, value in train.items() if key not in _OF_THE_SEARCH}
    train |= {"features": best.features, "tfidf_weight": job.search.tfidf_factor(job.train)}
    head = _HEAD + "\n"
    if job.train.embeddings and best.features != "tfidf" and recipe_of(encoder) != recipe_of(base):
        head += _BERT_RUNS
        source = {key: value for key, value in source.items() if key != "format"} | {"path": train.pop("embeddings")}
        train.pop("embedding_column", None)
    tables = {
        "input": source,
        "encoder": _all_set(encoder),
        "train": train,
        "head": _all_set(best.head(job.head)),
        "spark": job.spark,
    }
    return head + "".join(f"\n[{name}]\n{_lines(values)}" for name, values in tables.items() if values)


def _all_set(config: Any) -> dict[str, Any]:
    """Return key -> value of the settings that are not None."""
    found = {toml_key(spec): getattr(config, spec.name) for spec in dataclasses.fields(config) if spec.metadata}
    return {key: value for key, value in found.items() if value is not None}


def _changed(config: Any) -> dict[str, Any]:
    """Return key -> value of the settings that differ from their defaults."""
    defaults = _all_set(type(config)())
    return {key: value for key, value in _all_set(config).items() if key not in defaults or value != defaults[key]}


def _lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(_from_any_folder(key, value))}\n" for key, value in values.items())


def _from_any_folder(key: str, value: Any) -> Any:
    """Return a path that starts with a dot as an absolute one: in a TOML file it would start at the file's folder."""
    is_relative = key in PATH_KEYS and isinstance(value, str) and value.startswith(("./", "../"))
    return str(Path(value).resolve()) if is_relative else value


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalnum() else _value(key)


def _value(value: Any) -> str:
    """Return a value as TOML. JSON's strings are TOML's, but for the control character that JSON leaves as it is."""
    if isinstance(value, Mapping):  # TOML has no null: it is scikit-learn's default wherever an option may be None
        pairs = [f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)  # numbers, inf and nan, dates
