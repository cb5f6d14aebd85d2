"""The file names of an artefact and the versions of its metadata.

Upgrades older metadata and refuses newer metadata.
"""

from __future__ import annotations

from typing import Any

from bert_spark.errors import ArtefactError

PIPELINE_FILE = "pipeline.skops"
FORMAT_VERSION = 3
METADATA_FILE = "metadata.json"


def no_artefact(where: str, name: str = METADATA_FILE) -> ArtefactError:
    """Return the error for the folder `where`, which lacks a file of an artefact."""
    return ArtefactError(f"artefact {where!r} has no {name}; expected a folder that train.py wrote")


def upgrade_metadata(metadata: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the metadata in the current format.

    Parameters
    ----------
    metadata
        Content of metadata.json.
    where
        The artefact, for messages.

    Raises
    ------
    ArtefactError
        If the format is newer than this version reads, or if no version ever wrote it.
    """
    version = metadata.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtefactError(
            f"artefact {where!r} has format version {version}, this bert-spark reads up to {FORMAT_VERSION}; install "
            f"the version that wrote it ({metadata.get('versions', {}).get('bert-spark')}) or a later one"
        )
    if version == 1:  # before TF-IDF alone, probabilities and bundled models existed
        metadata = {"scores": "decision function", "features": None, "bundled": False} | metadata
        version = 2
    if version == 2:  # the same files; the types in them have the module names used before 0.2
        version = 3
    if version != FORMAT_VERSION:
        raise ArtefactError(
            f"artefact {where!r} has format version {version}, expected 1 to {FORMAT_VERSION}; train it again"
        )
    return metadata | {"format_version": FORMAT_VERSION}
