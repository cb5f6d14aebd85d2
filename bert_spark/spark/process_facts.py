"""What the driver and an executor report about themselves: versions, artefact, model and device."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.encoding.model_files import weight_files
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ArtefactError, BertSparkError
from bert_spark.versions import installed

if TYPE_CHECKING:
    from bert_spark.artefact.artefact_group import ArtefactGroup


def driver_facts(config: EncoderConfig | None, artefacts: ArtefactGroup | None = None) -> dict[str, Any]:
    """Return the driver's versions, artefact and model. Imports neither torch nor transformers: that takes seconds.

    Raises
    ------
    ModelError
        If the driver cannot load the model.
    """
    facts = {"where": "driver", "python": platform.python_version(), **installed(("torch", "transformers"))}
    if artefacts is not None:
        facts["artefact"] = artefacts.digest[:12]
    if config is None:
        return facts
    size = sum(path.stat().st_size for path in weight_files(resolve_model(config.model, config.revision)))
    return facts | {"model": config_fingerprint(config)[:12], "model_bytes": size}


def executor_facts(
    settings: dict[str, Any] | None, artefacts: Mapping[str, tuple[str, str]] | None = None
) -> dict[str, Any]:
    """Return the artefacts, model and device of the executor that calls this.

    Parameters
    ----------
    settings
        Of the encoder; None if BERT does not run.
    artefacts
        Name -> path and digest of each artefact that a task would load.

    Returns
    -------
    dict
        The facts. "problems" lists what would make a task fail, "warnings" what would make it slow, and
        "missing_artefacts" the digests of the artefacts that are not there.
    """
    config = EncoderConfig(**settings) if settings else None
    facts: dict[str, Any] = {"problems": []}
    try:
        config = _artefact_encoder(artefacts or {}, facts) or config
    except BertSparkError as err:
        facts["problems"].append(str(err))
    if facts["problems"] or config is None:
        return facts
    return _encoder_facts(config, facts)


def _artefact_encoder(artefacts: Mapping[str, tuple[str, str]], facts: dict[str, Any]) -> EncoderConfig | None:
    """Load artefacts as a task does; return the settings of their encoder, whose model may be inside an artefact."""
    from bert_spark.artefact.artefact_group import cached_group
    from bert_spark.spark.artefact_shipping import artefact_folder_here

    folders: list[tuple[str, str, str]] = []
    missing: list[str] = []
    for name, (path, digest) in artefacts.items():
        try:
            folders.append((name, artefact_folder_here(path, digest), digest))
        except ArtefactError as err:
            missing.append(digest)
            facts["problems"].append(str(err))
    if missing:
        facts |= {"artefact": "missing", "missing_artefacts": missing}
        return None
    if not folders:
        return None
    group = cached_group(tuple(folders))
    facts["artefact"] = group.digest[:12]
    return group.encoder


def _encoder_facts(config: EncoderConfig, facts: dict[str, Any]) -> dict[str, Any]:
    import torch

    from bert_spark.encoding.device import pick_device, task_gpu_addresses
    from bert_spark.encoding.precision import check_int8_products

    try:
        facts["model"] = config_fingerprint(config)[:12]
    except BertSparkError as err:
        facts["problems"].append(
            f"{err}; executors read the model from their own disk: put it on a path that every executor can read"
        )
    try:
        if config.precision == "int8":
            check_int8_products()
        facts["device"] = pick_device(config.device)
        if facts["device"].startswith("cuda"):
            facts["card_bytes"] = int(torch.cuda.get_device_properties(facts["device"]).total_memory)
    except BertSparkError as err:
        facts["problems"].append(str(err).splitlines()[0])
    except (RuntimeError, AssertionError) as err:  # torch asserts that a GPU of that number exists
        reason = (str(err).splitlines() or [type(err).__name__])[0]
        facts["problems"].append(f"device {facts.get('device', config.device)!r} can't be used ({reason})")
    if config.device == "auto" and facts.get("device") == "cpu" and task_gpu_addresses():
        facts["warnings"] = ["Spark gives this executor a GPU, but torch sees none: BERT will run on its CPU"]
    return facts
