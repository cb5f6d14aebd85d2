"""Remember in the checkpoint which files an incremental run must read again, since they changed while it read them.

Spark's own list says that they were read. Their rows were staged and are not published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bert_spark.storage import Folder

HELD_FILE = "held.json"  # beside the pin
FIRST_NUMBER = 1_000_000_000  # of batches that are read again: Spark numbers its own micro-batches from 0


@dataclass(frozen=True)
class HeldFiles:
    """The files to read again.

    Parameters
    ----------
    files
        Their addresses.
    number
        Number of the batch that will hold their rows.
    read_again
        Address of each file that was read again -> time of its last change then, in ms.
    """

    files: tuple[str, ...] = ()
    number: int = FIRST_NUMBER
    read_again: Mapping[str, int] | None = None

    @classmethod
    def of(cls, checkpoint: Folder) -> HeldFiles:
        """Return what a checkpoint remembers."""
        return cls.parse(json.loads(checkpoint.read(HELD_FILE) or "{}"))

    @classmethod
    def parse(cls, facts: Mapping[str, Any]) -> HeldFiles:
        """Return what `facts` describes; the inverse of `facts`."""
        return cls(tuple(facts.get("files", ())), facts.get("number", FIRST_NUMBER), facts.get("read_again", {}))

    @property
    def facts(self) -> dict[str, Any]:
        """The same as JSON."""
        return {"files": list(self.files), "number": self.number, "read_again": dict(self.read_again or {})}

    def save(self, checkpoint: Folder) -> None:
        """Write it to a checkpoint, unless it says the same."""
        if HeldFiles.of(checkpoint) != HeldFiles.parse(self.facts):
            checkpoint.write(HELD_FILE, json.dumps(self.facts, indent=2))
