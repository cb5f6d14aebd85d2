r"""Write a copy of a model that can run with 8-bit integers on CPUs.

    ./spark-submit.sh jobs/calibrate.py --input tweets.csv --text-column content --output minilm-int8
    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings \
      --model minilm-int8 --engine openvino --precision int8

Its vectors differ from those of float32: train the classifier with the same options.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli


def calibrate(argv: list[str] | None = None) -> None:
    """Read the settings, measure the model on texts of the input, and write the copy."""
    job = cli.read_job(__file__, __doc__, argv)
    with cli.spark_session("bert_spark calibrate", job.spark) as spark:
        print(cli.calibrate_on_input(spark, job))


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(calibrate, argv)


if __name__ == "__main__":
    sys.exit(main())
