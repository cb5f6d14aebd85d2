"""Artefacts of one encoder, which are scored together in one pass of BERT."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bert_spark.artefact.artefact import Artefact
from bert_spark.artefact.artefact_names import names_of_folders
from bert_spark.artefact.loading import load_artefact
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError, FingerprintError


@dataclass(frozen=True)
class ArtefactGroup:
    """Artefacts by name. Those that use BERT have one encoder. One artefact alone has the name "".

    Parameters
    ----------
    by_name
        Name -> artefact.

    Raises
    ------
    ConfigError
        If there is none.
    FingerprintError
        If the artefacts were trained on vectors of different encoders.
    """

    by_name: Mapping[str, Artefact]

    def __post_init__(self) -> None:
        if not self.by_name:
            raise ConfigError("got no artefacts; expected one or more folders that jobs/train.py wrote")
        owners: dict[str, list[str]] = {}
        for artefact in self.by_name.values():
            if artefact.uses_bert:
                owners.setdefault(artefact.fingerprint, []).append(artefact.path)
        if len(owners) > 1:
            trained = "; ".join(f"{paths} on encoder {encoder[:12]}" for encoder, paths in owners.items())
            raise FingerprintError(
                f"the artefacts were trained on vectors of different encoders: {trained}; score those of one encoder "
                "together, and the others in a run of their own"
            )

    @property
    def artefacts(self) -> list[Artefact]:
        """The artefacts, in the order in which they were given."""
        return list(self.by_name.values())

    @property
    def path(self) -> str | dict[str, str]:
        """The folder of one artefact alone; name -> folder of several."""
        paths = {name: artefact.path for name, artefact in self.by_name.items()}
        return paths.get("", paths)

    @property
    def places(self) -> dict[str, tuple[str, str]]:
        """Name -> path and digest, from which another process loads the artefact."""
        return {name: (artefact.path, artefact.digest) for name, artefact in self.by_name.items()}

    @property
    def digest(self) -> str:
        """The digest of one artefact alone; of several, the sha256 of their names and digests in any order."""
        digests = {name: artefact.digest for name, artefact in self.by_name.items()}
        lines = sorted(f"{name} {digest}\n" for name, digest in digests.items())
        return digests.get("") or hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def uses_bert(self) -> bool:
        """Whether any artefact has an encoder."""
        return any(artefact.uses_bert for artefact in self.artefacts)

    @property
    def needs_text(self) -> bool:
        """Whether scoring stored vectors also needs their texts."""
        return any(artefact.needs_text for artefact in self.artefacts)

    @property
    def gives_probabilities(self) -> bool:
        """Whether all scores are probabilities."""
        return all(artefact.gives_probabilities for artefact in self.artefacts)

    @property
    def config(self) -> EncoderConfig:
        """Settings of the encoder; the defaults if no artefact has one."""
        return self._with_encoder.config

    @property
    def encoder(self) -> EncoderConfig | None:
        """Settings of the encoder; None if no artefact has one."""
        return self._with_encoder.encoder

    @property
    def fingerprint(self) -> str:
        """Identity of the encoder; "" if no artefact has one."""
        return self._with_encoder.fingerprint

    @property
    def vector_width(self) -> int:
        """How many numbers the encoder's vectors hold; 0 if no artefact has an encoder."""
        return self._with_encoder.vector_width

    @property
    def _with_encoder(self) -> Artefact:
        """The first artefact that has an encoder, or the first one."""
        return next((artefact for artefact in self.artefacts if artefact.uses_bert), self.artefacts[0])


def load_group(folders: str | Path | Sequence[str] | Mapping[str, str | Path]) -> ArtefactGroup:
    """Load the artefacts that are scored together.

    Parameters
    ----------
    folders
        The folder of one artefact; or several folders, which are named by `names_of_folders`; or name -> folder.

    Raises
    ------
    ConfigError, ArtefactError, FingerprintError
        As `names_of_folders`, `load_artefact` and `ArtefactGroup` raise.
    """
    if isinstance(folders, (str, Path)):
        by_name: Mapping[str, str | Path] = {"": folders}
    else:
        by_name = folders if isinstance(folders, Mapping) else names_of_folders(folders)
    return ArtefactGroup({name: load_artefact(folder) for name, folder in by_name.items()})


@lru_cache(maxsize=2)
def cached_group(folders: tuple[tuple[str, str, str], ...]) -> ArtefactGroup:
    """Return the artefacts, loaded and verified once per process. Each is its name, folder and digest."""
    return ArtefactGroup({name: load_artefact(folder, digest) for name, folder, digest in folders})
