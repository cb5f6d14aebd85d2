"""The files of an artefact and the versions of its metadata. Older metadata is upgraded, newer metadata is refused."""

from __future__ import annotations

from typing import Any

from bert_spark.errors import ArtefactError

PIPELINE_FILE = "pipeline.skops"
FORMAT_VERSION = 3
METADATA_FILE = "metadata.json"


def upgrade_metadata(metadata: dict[str, Any], where: str) -> dict[str, Any]:
    """Return metadata in the present format.

    Raises
    ------
    ArtefactError
        When the format is newer than this package, or none that it ever wrote.
    """
    version = metadata.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtefactError(
            f"artefact {where!r} has format version {version}, this bert-spark reads up to {FORMAT_VERSION}; "
            f"install the one that wrote it ({metadata.get('versions', {}).get('bert-spark')}) or a later one"
        )
    if version == 1:  # before TF-IDF alone, probabilities and bundles
        metadata = {"scores": "decision function", "features": None, "bundled": False} | metadata
        version = 2
    if version == 2:  # the same files; their types have the module names of before 0.2
        version = 3
    if version != FORMAT_VERSION:
        raise ArtefactError(
            f"artefact {where!r} has format version {version}, expected 1 to {FORMAT_VERSION}; train again"
        )
    return metadata | {"format_version": FORMAT_VERSION}
