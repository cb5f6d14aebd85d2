"""Fixtures of saved artefacts."""

from tests.support.artefacts import bert, plain, saved  # noqa: F401
