"""Look at a table before BERT runs: how it is read, what it holds, how long its texts are, and the commands for it.

    ./spark-submit.sh jobs/inspect.py --input tweets.csv
    ./spark-submit.sh jobs/inspect.py --input tweets/ --label-column sentiment --model bert-base-uncased --examples

Format, encoding, delimiter and header are guessed where they are not set. All records are read; only the tokenizer
runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "inspect":  # Python wants its own module of this name, and finds this folder on its path first
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    others = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    spec = PathFinder.find_spec("inspect", others)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["inspect"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["inspect"])
elif not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def inspect(argv: list[str] | None = None) -> None:
    """Read the settings, look at the input, and print what was found."""
    from bert_spark import cli

    job = cli.read_job(__file__, __doc__, argv)
    with cli.spark_session("bert_spark inspect", job.spark) as spark:
        print(cli.inspect_input(spark, job))


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    from bert_spark import cli

    return cli.run_job(inspect, argv)


if __name__ == "__main__":
    sys.exit(main())
