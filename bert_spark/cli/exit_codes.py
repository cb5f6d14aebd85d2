"""Run a job and turn its end into an exit code and a log line. The log holds no value of the data."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable

from bert_spark.cli.missing_extras import missing_extra
from bert_spark.errors import BertSparkError

logger = logging.getLogger(__name__)

# A value of the data in an error message of Spark or Java. The value itself may hold quotes and line ends.
_VALUE = re.compile(r"""((?:The value|Text) (['"])).*?(?=\2(?: of the type| could not be parsed))""", re.DOTALL)
_MAX_LINES = 20  # of a Java error in the log


def run_job(job: Callable[[list[str] | None], object], argv: list[str] | None = None) -> int:
    """Run a job and return its exit code. The reason of a failure goes to the log.

    Exit codes: 0 done, 1 failed, 2 wrong settings, 3 environment, 4 outside the limits, 5 no input.

    Parameters
    ----------
    job
        The function to run.
    argv
        Its command line without the program's name; by default that of the process.
    """
    _set_up_logging()
    try:
        job(argv)
    except BertSparkError as err:
        logger.error("%s: %s", type(err).__name__, err)
        return err.exit_code
    except ModuleNotFoundError as err:
        missing = missing_extra(err)
        if missing is None:
            raise
        logger.error("%s: %s", type(missing).__name__, missing)
        return missing.exit_code
    except Exception as err:
        if not type(err).__module__.startswith(("pyspark", "py4j")):
            raise
        logger.error("Spark failed: %s", java_causes(str(err)))
        return 1
    return 0


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("py4j", "pyspark", "httpx", "httpx2", "huggingface_hub", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # PySpark logs failed queries here, values of the data included; run_job logs the failure without them
    logging.getLogger("SQLQueryContextLogger").disabled = True
    # conf/constraints*.txt hold the pairs of pandas and PySpark that the tests run with
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)


def java_causes(message: str) -> str:
    """Return the first line and the causes of a Java stack trace, without its frames and without values of the data.

    Spark's message names such a value if the input is a view in which a cast fails.
    """
    lines = [line.strip() for line in _VALUE.sub(r"\1...", message).splitlines()]
    skipped = ("at ", "...")  # frames, and "... 12 more"
    causes = [line for line in lines if line and not line.startswith(skipped) and "Driver stacktrace" not in line]
    return "\n".join(dict.fromkeys(causes[:_MAX_LINES]))
