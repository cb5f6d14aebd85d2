"""Run a job and turn its end into an exit code and a log line. The log holds no value of the data."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable

from bert_spark.errors import BertSparkError

logger = logging.getLogger(__name__)

# A value of the data in a message of Spark's or Java's: one may hold quotes and line ends
_VALUE = re.compile(r"""((?:The value|Text) (['"])).*?(?=\2(?: of the type| could not be parsed))""", re.DOTALL)


def run_job(job: Callable[[list[str] | None], object], argv: list[str] | None = None) -> int:
    """Run a job and return its exit code: 0 done, 1 failed, 2 usage, 3 environment, 4 outside limits, 5 no input;
    the reason goes to the log."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("py4j", "pyspark", "httpx", "httpx2", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("SQLQueryContextLogger").disabled = True  # PySpark's: what is said below, values of the data too
    # the pairs of versions that the tests run with are in conf/
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    try:
        job(argv)
    except BertSparkError as err:
        logger.error("%s: %s", type(err).__name__, err)
        return err.exit_code
    except Exception as err:
        if not type(err).__module__.startswith(("pyspark", "py4j")):
            raise
        logger.error("Spark failed: %s", java_causes(str(err)))
        return 1
    return 0


def java_causes(message: str) -> str:
    """Return what a Java stack says went wrong: its first line and causes, without the frames, and without values of
    the data, which Spark names where a view that is the input fails to cast one.
    """
    lines = [line.strip() for line in _VALUE.sub(r"\1...", message).splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "...")) and "Driver stacktrace" not in line]
    return "\n".join(dict.fromkeys(told[:20]))
