"""Fixtures of spark-submit.sh."""

from tests.support.checkouts import checkout, machine  # noqa: F401
