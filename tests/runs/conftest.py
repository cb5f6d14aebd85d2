"""Fixtures of scheduled runs."""

from tests.support.nightly_runs import artefact, nights, stream, three  # noqa: F401
