"""The report is one self-contained page with all metrics; texts are on it only on request."""

import re
from html.parser import HTMLParser

import pytest

from bert_spark.training.evaluation import evaluate_predictions
from bert_spark.training.html_report import model_card, render_report

LABELS = ["joy", "<b>sad</b>", "calm"]
TRUTH = ["joy"] * 6 + ["<b>sad</b>"] * 3 + ["calm"]
PREDICTED = ["joy"] * 5 + ["calm"] + ["<b>sad</b>"] * 2 + ["joy"] * 2  # 7 of 10 right


@pytest.fixture
def figures():
    perfect = evaluate_predictions(TRUTH, TRUTH, LABELS)
    held_out = evaluate_predictions(TRUTH, PREDICTED, LABELS)
    majority = evaluate_predictions(TRUTH, ["joy"] * 10, LABELS)
    return {
        **{"train": perfect, "validation": held_out, "test": held_out},
        **{f"{name}_majority": majority for name in ("train", "validation", "test")},
        **{f"{name}_tfidf": held_out for name in ("train", "validation", "test")},
    }


@pytest.fixture
def facts():
    pair = {"true": "<b>sad</b>", "predicted": "joy", "rows": 1}
    return {
        "about": {"features": "bert", "head": "sklearn.svm.LinearSVC(C=1.0)", "fingerprint": "f" * 64},
        "created": "2020-01-01T00:00:00+00:00",
        "split": {"seed": 0},
        "counts": {"rows": 12345, "truncated": 22, "unknown_token_share": 0.0123, "missing_or_malformed_text": 4},
        "warnings": ["class 'calm' has 1 row in test: its metrics there are unreliable"],
        "timings": {"fit": 1.5},
        "pairs": {"validation": [], "test": [pair]},
        "encoder": {"model": "packaged:minilm-l6", "max_length": 60},
        "versions": {"python": "3.11"},
    }


class Page(HTMLParser):
    """Collects tags that are not closed, links to other documents, and the text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.external_links, self.text = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "path", "use", "rect", "image", "br", "link"):
            self.open.append(tag)
        self.external_links += [v for k, v in attrs if k in ("src", "href") and not v.startswith(("#", "data:"))]

    def handle_endtag(self, tag):
        if tag in ("path", "use", "rect", "image"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_page_is_well_formed_and_loads_nothing_from_outside(figures, facts):
    source = render_report(figures, facts)
    page = Page(source)
    assert page.open == []
    assert page.external_links == []
    assert not re.search(r"@import|url\((?!#)", source)


def test_page_shows_the_metrics(figures, facts):
    text = " ".join(" ".join(Page(render_report(figures, facts)).text).split())
    assert "this model predicts the right label for 70.0 % of the rows" in text
    assert "Always predicting the most frequent class is right for 60.0 %" in text
    assert "accuracy, test 0.700" in text
    assert "weighted F1, training 1.000" in text
    assert "The model is over-fitted" in text  # weighted F1 1.0 on training rows, about 0.7 on the others
    assert "truncated 22" in text
    assert "unknown token share 1.23 %" in text
    assert "missing or malformed text 4" in text
    assert "rows 12,345" in text
    assert "class 'calm' has 1 row in test" in text
    assert "f" * 64 in text


def test_over_fitting_is_warned_of_only_above_the_gap(figures, facts):
    figures["train"] = figures["test"]
    assert "over-fitted" not in render_report(figures, facts)


def test_heat_map_has_counts_and_row_shares(figures, facts):
    chart = re.search(r"<svg[^>]*confusion matrix.*?</svg>", render_report(figures, facts), re.DOTALL).group()
    shown = [text for text in re.findall(r">([^<>\n]+)</text>", chart) if re.search(r"[0-9]", text)]
    assert {"5", "83%", "2", "67%", "33%", "100%"} <= set(shown)
    assert "currentColor" in chart  # one chart fits dark and light pages


def test_labels_and_texts_are_escaped(figures, facts):
    facts["pairs"]["test"][0]["texts"] = ["<script>alert(1)</script>"]
    source = render_report(figures, facts)
    assert "<script>" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "<b>sad" not in source


def test_page_without_baseline_and_encoder(figures, facts):
    for name in ("train", "validation", "test"):
        del figures[f"{name}_tfidf"]
    facts["encoder"] = None
    source = render_report(figures, facts)
    assert "TF-IDF + the same head" not in source
    assert "packaged:minilm-l6" not in source


def test_model_card_shows_test_metrics_and_limits(figures, facts):
    card = model_card(figures, facts)
    assert "| this model | 0.700 | 0.702 |" in re.sub(r" +", " ", card)
    assert "| always the most frequent class | 0.600 |" in card
    assert "Do not base decisions about people on it" in card
    assert "packaged:minilm-l6" in card


def test_page_has_style_rules_for_dark_phone_and_print(figures, facts):
    source = render_report(figures, facts)
    for rule in ("prefers-color-scheme: dark", "@media print", "width=device-width", "max-width: 42rem"):
        assert rule in source
