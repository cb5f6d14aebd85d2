"""Train and judge the TF-IDF baseline of jobs/train.py, compared with scikit-learn's own steps and tolerance.

python -m tests.benchmarks.baseline --texts text_emotion.csv --column content --labels sentiment --rows 40000
"""

import time

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC

from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.text_cleaner import TextCleaner
from bert_spark.training.config import HeadConfig
from bert_spark.training.evaluation import confused_pairs, evaluate_splits
from bert_spark.training.examples import Examples
from bert_spark.training.fitting import fit_and_predict
from bert_spark.training.pipelines import build_baseline
from bert_spark.training.splits import HELD_OUT_SPLITS, split_examples
from tests.benchmarks.harness import alternate, parse_arguments, ratio, report

OPTIONS = {"C": 1.0, "class_weight": "balanced", "random_state": 0}
MOST_SECONDS = 10  # to train and to judge the baseline, 28,000 training rows


def read_parts(args):
    """Return the splits of --rows labelled texts, without vectors."""
    table = pd.read_csv(args.texts, usecols=[args.column, args.labels], dtype=str).dropna()
    table = table.sample(frac=1, random_state=0)[: args.rows]
    no_vectors = np.zeros((len(table), 0), np.float32)
    return split_examples(Examples(table[args.column].tolist(), no_vectors, table[args.labels].to_numpy()), 0)


def scikit_learn_alone():
    """Return the baseline of scikit-learn's own classes: two vectorizers and LinearSVC with its default tolerance."""
    options = {"sublinear_tf": True, "min_df": 3, "dtype": np.float32}
    words = TfidfVectorizer(ngram_range=(1, 2), **options)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options)
    return make_pipeline(TextCleaner(), FeatureUnion([("words", words), ("letters", letters)]), LinearSVC(**OPTIONS))


def judge_with_scikit_learn(parts, predicted):
    """Compute what a report needs with one call of scikit-learn a metric, on the labels as they are."""
    majority = pd.Series(parts["train"].labels).mode()[0]
    for name, part in parts.items():
        for labels in (predicted[name], predicted[name], np.full(len(part.labels), majority)):
            for as_dict in (True, False):
                classification_report(part.labels, labels, output_dict=as_dict, zero_division=0)
            accuracy_score(part.labels, labels)
            confusion_matrix(part.labels, labels)


def judge(parts, predicted):
    """Compute what jobs/train.py computes for its report, with the baseline's labels in place of the model's too."""
    evaluate_splits(parts, predicted, predicted)
    for name in HELD_OUT_SPLITS:
        confused_pairs(parts[name].labels.tolist(), predicted[name].tolist(), None)


def main():
    args = parse_arguments(__doc__, rows=40000, rounds=2, labels="sentiment")
    parts, predicted = read_parts(args), {}
    head = HeadConfig(options={name: OPTIONS[name] for name in ("C", "class_weight")})

    def timed(who, work):
        def run():
            started = time.perf_counter()
            work()
            return time.perf_counter() - started

        return who, run

    def train(who, build):
        predicted[who] = fit_and_predict(build(), parts)

    labels = parts["train"].labels.tolist()
    figures = alternate(
        dict(
            [
                timed(
                    "bert_spark, train", lambda: train("ours", lambda: build_baseline(EncoderConfig(), head, labels))
                ),
                timed("scikit-learn, train", lambda: train("theirs", scikit_learn_alone)),
                timed("bert_spark, judge", lambda: judge(parts, predicted["ours"])),
                timed("scikit-learn, judge", lambda: judge_with_scikit_learn(parts, predicted["theirs"])),
            ]
        ),
        args.rounds,
    )
    ours = (figures["bert_spark, train"], figures["bert_spark, judge"])
    figures["bert_spark, both"] = [training + judging for training, judging in zip(*ours, strict=True)]
    scores = {
        f"{name}, {who}": f1_score(part.labels, predicted[who][name], average="weighted", zero_division=0)
        for name, part in parts.items()
        for who in ("ours", "theirs")
    }
    differing = sum(int((predicted["ours"][name] != predicted["theirs"][name]).sum()) for name in parts)
    gap = max(abs(scores[f"{name}, ours"] - scores[f"{name}, theirs"]) for name in parts)

    def times(step):
        return ratio(figures, f"scikit-learn, {step}", f"bert_spark, {step}")

    report(
        args,
        "baseline",
        "seconds",
        figures,
        [
            ("seconds to train and judge", min(figures["bert_spark, both"]), "at most", MOST_SECONDS),
            ("largest difference of weighted F1", gap, "at most", 0.0005),
        ],
        rows={name: len(part.texts) for name, part in parts.items()},
        scikit_learn_by_ours={step: round(times(step), 2) for step in ("train", "judge")},
        labels_that_differ=differing,
        weighted_f1=scores,
    )


if __name__ == "__main__":
    main()
