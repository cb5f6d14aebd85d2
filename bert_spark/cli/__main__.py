"""Check the settings of a job without starting it; spark-submit.sh does so before it starts Java.

python -m bert_spark.cli jobs/embed.py --input tweets.csv

Exit codes: 0 if the job may start, 10 if its help was printed, otherwise that of the error, which goes to the log.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from bert_spark.cli.exit_codes import run_job
from bert_spark.cli.settings_checks import read_job

HELP_PRINTED = 10


def main() -> int:
    """Read the settings of the job that the command line names, and return the exit code."""
    script = sys.argv.pop(1)
    sys.argv[0] = script  # --help prints its name
    doc = ast.get_docstring(ast.parse(Path(script).read_text(encoding="utf-8")), clean=False)
    try:
        return run_job(lambda argv: read_job(script, doc, argv))
    except SystemExit:  # of argparse, after --help
        return HELP_PRINTED


if __name__ == "__main__":
    sys.exit(main())
