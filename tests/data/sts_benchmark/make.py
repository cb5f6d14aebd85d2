"""Make pairs.tsv and values.json from the test set of the STS benchmark, and print the table of docs/model-recipes.md.

The whole test set is not part of this project: see README.md beside this file. Download it, then:

    python -m pip install sentence-transformers
    PYTHONPATH=. python tests/data/sts_benchmark/make.py sts-test.csv
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from bert_spark import BertTransformer
from bert_spark.encoding.model_resolver import resolve_model
from tests.support.sts_benchmark import CARRIED, RECIPES, as_line, carried, read_pairs, spearman

HERE = Path(__file__).parent
MODEL = "packaged:minilm-l6"


def by_sentence_transformers(texts, pooling, max_length):
    """Return the vectors of texts: of the model as it was saved, or with another pooling and length."""
    own = SentenceTransformer(str(resolve_model(MODEL)), device="cpu")
    if pooling == "model":
        return own.encode(texts)
    own[0].max_seq_length = max_length
    pool = modules.Pooling(own[0].get_embedding_dimension(), pooling_mode=pooling)
    return SentenceTransformer(modules=[own[0], pool], device="cpu").encode(texts)


def by_bert_spark(texts, pooling, max_length):
    """Return the same vectors by this package."""
    return BertTransformer(model=MODEL, pooling=pooling, max_length=max_length).fit_transform(texts)


def main():
    """Write the carried pairs and the values of sentence-transformers; print both packages' values."""
    pairs = read_pairs(Path(sys.argv[1]))
    chosen = carried(pairs)
    (HERE / "pairs.tsv").write_text("".join(map(as_line, chosen)), encoding="utf-8")
    names = ("sentence-transformers", "transformers", "torch")
    values = {"made_with": {name: version(name) for name in names}, "carried": {}, "whole": {}}
    print(f"| recipe | sentence-transformers | bert_spark | the {CARRIED} pairs of the test |\n|---|---|---|---|")
    for name, recipe in RECIPES.items():
        texts = [text for pair in pairs for text in (pair.first, pair.second)]
        theirs, ours = by_sentence_transformers(texts, **recipe), by_bert_spark(texts, **recipe)
        rows = [2 * pairs.index(pair) + side for pair in chosen for side in (0, 1)]
        values["whole"][name] = spearman(pairs, theirs)
        values["carried"][name] = spearman(chosen, theirs[rows])
        cells = (values["whole"][name], spearman(pairs, ours), values["carried"][name])
        print(f"| {name} | {' | '.join(f'{cell:.5f}' for cell in cells)} |", flush=True)
    (HERE / "values.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
