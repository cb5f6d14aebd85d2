"""Write a table of docs/architectures.md: a tiny random model of each architecture beside transformers itself.

It takes some minutes:

    ./spark-submit.sh exec python docs/make_architectures.py

The page has one table for each major version of transformers. Run it with each; the tables of the others stay.
"""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import transformers  # noqa: E402

from bert_spark import BertEncoder, EncoderConfig  # noqa: E402
from bert_spark.errors import ConfigError, ModelError, SetupError  # noqa: E402
from tests.support import architectures  # noqa: E402

PAGE = ROOT / "docs" / "architectures.md"
MARK = "<!-- The table is made by docs/make_architectures.py -->\n"
COSINE = 0.99  # to float32; below it half precision is not called near


def row(name: str, folder: Path) -> list[str]:
    """Return the cells of an architecture: worst difference, rows of a batch, first token, half precision, OpenVINO."""
    if None in architectures.classes(name):
        return [name, "not in this version", "", "", "", ""]
    architectures.save(name, folder)
    try:
        encoders = [_encoder(folder, token_budget=budget) for budget in (1, 2048)]
    except ModelError:
        return [name, "refused", "", "", "", ""]
    expected = architectures.mean_vectors(folder, architectures.TEXTS)
    worst = max(_difference(encoder.encode(architectures.TEXTS), expected) for encoder in encoders)
    one_length = encoders[0].batch_runner.layout.equal_lengths
    return [
        name,
        f"{worst:.0e}",
        "of one length" if one_length else "of any length",
        _first_token(folder),
        _half_precision(folder, expected),
        _openvino(folder, expected),
    ]


def _encoder(folder: Path, **settings: object) -> BertEncoder:
    defaults = {"pooling": "mean", "max_length": architectures.MAX_LENGTH, "device": "cpu"}
    return BertEncoder.from_config(EncoderConfig(model=str(folder), **(defaults | settings)))  # type: ignore[arg-type]


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, as a share of the largest number."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _first_token(folder: Path) -> str:
    try:
        _encoder(folder, pooling="cls")
    except ConfigError:
        return "refused"
    return "yes"


def _half_precision(folder: Path, expected: np.ndarray) -> str:
    try:
        found = _encoder(folder, precision="bfloat16").encode(architectures.TEXTS)
    except ConfigError:
        return "refused"
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = ((found * expected).sum(axis=1) / lengths).min()
    return "yes" if cosine > COSINE else f"cosine {cosine:.3f}"


def _openvino(folder: Path, expected: np.ndarray) -> str:
    try:
        found = _encoder(folder, engine="openvino").encode(architectures.TEXTS)
    except (ConfigError, ModelError):
        return "refused"
    except SetupError:
        return "not tried"
    return f"{_difference(found, expected):.0e}"


def table() -> str:
    """Return the table as Markdown."""
    head = ["architecture", "difference", "rows of a batch", "`cls`", "bfloat16", "OpenVINO"]
    with tempfile.TemporaryDirectory() as root:
        names = sorted(architectures.ARCHITECTURES | architectures.FAILING)
        rows = [row(name, Path(root) / name) for name in names]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def main() -> None:
    """Put the table at the end of the page, in place of an older one of the same major version."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    version = transformers.__version__
    made = {int(version.split(".")[0]): f"With transformers {version}:\n\n{table()}"}
    text, _, old = PAGE.read_text(encoding="utf-8").partition(MARK)
    kept = {int(major): block for block, major in re.findall(r"(With transformers (\d+)\.[^:]+:\n\n(?:\|.*\n)+)", old)}
    blocks = [block for _, block in sorted((kept | made).items(), reverse=True)]
    PAGE.write_text("\n".join([text + MARK, *blocks]), encoding="utf-8")


if __name__ == "__main__":
    main()
