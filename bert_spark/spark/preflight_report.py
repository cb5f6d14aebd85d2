"""The findings of the pre-flight, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# An executor must have the driver's release of these: vectors depend on them.
COMPARED_VERSIONS = ("python", "torch", "transformers")


@dataclass(frozen=True)
class Finding:
    """One problem.

    Attributes
    ----------
    refused
        Whether the job stops; else it is a warning.
    where
        The executor, or "spark settings".
    what
        What was found, and what to change.
    """

    refused: bool
    where: str
    what: str

    def __str__(self) -> str:
        return f"{'refused' if self.refused else 'warning'}: {self.where}: {self.what}"


@dataclass(frozen=True)
class PreflightReport:
    """A table of the facts of the driver and of each executor, followed by the findings.

    Attributes
    ----------
    processes
        Facts by name, one dict for the driver and one for each executor.
    findings
        The problems.
    """

    processes: list[dict[str, Any]]
    findings: list[Finding]

    def __str__(self) -> str:
        columns = (
            "where",
            *COMPARED_VERSIONS,
            *(name for name in ("artefact", "model", "device") if name in self.processes[-1]),
        )
        rows = [columns, *(tuple(str(facts.get(name, "-"))[:40] for name in columns) for facts in self.processes)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(map(str, self.findings) if self.findings else ["ok: nothing found"])])
