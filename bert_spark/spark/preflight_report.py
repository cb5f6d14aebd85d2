"""What the pre-flight found, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COMPARED_VERSIONS = (
    "python",
    "torch",
    "transformers",
)  # an executor's release must be the driver's: vectors depend on them


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or costs something: how bad, where, what was got and what to change."""

    refused: bool
    where: str
    what: str

    def __str__(self) -> str:
        return f"{'refused' if self.refused else 'warning'}: {self.where}: {self.what}"


@dataclass(frozen=True)
class PreflightReport:
    """What the pre-flight saw: one dict of facts for the driver and for each executor, and what is wrong."""

    places: list[dict[str, Any]]
    findings: list[Finding]

    def __str__(self) -> str:
        columns = (
            "where",
            *COMPARED_VERSIONS,
            *(name for name in ("artefact", "model", "device") if name in self.places[-1]),
        )
        rows = [columns, *(tuple(str(place.get(name, "-"))[:40] for name in columns) for place in self.places)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(map(str, self.findings) if self.findings else ["ok: nothing found"])])
