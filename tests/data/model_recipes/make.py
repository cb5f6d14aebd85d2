"""Make values.json: the vectors that sentence-transformers gives for the recipes of tests/support/model_recipes.py.

python -m pip install sentence-transformers
PYTHONPATH=. python tests/data/model_recipes/make.py
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from sentence_transformers import SentenceTransformer

from tests.support.model_recipes import CASES, TEXTS, write_recipe


def main():
    """Write the values, each text encoded alone."""
    values = {"made_with": {name: version(name) for name in ("sentence-transformers", "transformers", "torch")}}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, recipe) in enumerate(CASES.items()):
            model = SentenceTransformer(str(write_recipe(Path(folder) / str(number), **recipe)), device="cpu")
            values[name] = [[float(f"{x:.8g}") for x in model.encode([text])[0]] for text in TEXTS]
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
    (Path(__file__).parent / "values.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())
