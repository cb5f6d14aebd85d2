"""Write the parity table of docs/model-recipes.md: each recipe of the tests beside sentence-transformers' vectors.

    ./spark-submit.sh exec python docs/make_model_recipes.py

The vectors of sentence-transformers are stored in tests/data/model_recipes/values.json, each text encoded alone.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from bert_spark import BertEncoder, EncoderConfig  # noqa: E402
from tests.support.model_recipes import CASES, TEXTS, write_recipe  # noqa: E402
from tests.support.tiny_models import change_json  # noqa: E402

PAGE = ROOT / "docs" / "model-recipes.md"
START, END = "<!-- The table is made by docs/make_model_recipes.py -->\n", "<!-- end of the table -->\n"
VALUES = json.loads((ROOT / "tests" / "data" / "model_recipes" / "values.json").read_text(encoding="utf-8"))
SIDES = ("right", "left")
TOKEN_BUDGETS = (1, 64, 2048)  # one text alone, the short texts together, all texts in one batch


def row(name: str, folder: Path) -> list[str]:
    """Return the cells of a recipe: its name, what it asks for, and the worst difference for each side and budget."""
    write_recipe(folder, **CASES[name])  # type: ignore[arg-type]
    cells = []
    for side in SIDES:
        change_json(folder / "tokenizer_config.json", padding_side=side)
        for budget in TOKEN_BUDGETS:
            config = EncoderConfig(model=str(folder), pooling="model", token_budget=budget, device="cpu")
            encoder = BertEncoder.from_config(config)
            cells.append(f"{np.abs(encoder.encode(TEXTS) - np.array(VALUES[name])).max():.0e}")
    steps = [type(step).__name__ for step in encoder.recipe.steps]
    what = ["+".join(encoder.recipe.poolings), f"{encoder.max_length} tokens", *steps]
    if encoder.recipe.prompt:
        what.append(f"prompt {'in' if encoder.recipe.prompt_in_pooling else 'not in'} the pooling")
    return [", ".join(what), *cells]


def table() -> str:
    """Return the table as Markdown."""
    budgets = ("one text", "64 tokens", "all texts")
    head = ["recipe", *(f"{side}, {budget}" for side in SIDES for budget in budgets)]
    with tempfile.TemporaryDirectory() as root:
        rows = [row(name, Path(root) / str(number)) for number, name in enumerate(CASES)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def main() -> None:
    """Replace the table in the page."""
    logging.disable(logging.WARNING)
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    PAGE.write_text(f"{before}{START}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
