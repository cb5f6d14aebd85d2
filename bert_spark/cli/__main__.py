"""Check the settings of a job without starting it; spark-submit.sh does so before it starts Java.

python -m bert_spark.cli jobs/embed.py --input tweets.csv

Exit codes: 0 if the job may start, 10 if its help was printed, 2 if settings are wrong, 11 if the job would fail with
exit code 1. The reason goes to the log. Any other exit code says that this Python could not check them.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from bert_spark.cli.exit_codes import run_job
from bert_spark.cli.settings_checks import read_job

HELP_PRINTED, WOULD_FAIL = 10, 11


def main() -> int:
    """Read the settings of the job that the command line names, and return the exit code."""
    script = sys.argv.pop(1)
    sys.argv[0] = script  # --help prints its name
    doc = ast.get_docstring(ast.parse(Path(script).read_text(encoding="utf-8")), clean=False)
    try:
        code = run_job(lambda argv: read_job(script, doc, argv))
        return WOULD_FAIL if code == 1 else code  # Python itself ends with 1 if it is too old for the package
    except SystemExit:  # of argparse, after --help
        return HELP_PRINTED


if __name__ == "__main__":
    sys.exit(main())
