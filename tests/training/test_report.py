"""The report is one self-contained page that says the figures it was given, and the texts only when asked to."""

import re
from html.parser import HTMLParser

import pytest

from bert_spark.training.evaluation import evaluate_predictions
from bert_spark.training.report import model_card, render_report

LABELS = ["joy", "<b>sad</b>", "calm"]
TRUTH = ["joy"] * 6 + ["<b>sad</b>"] * 3 + ["calm"]
GUESS = ["joy"] * 5 + ["calm"] + ["<b>sad</b>"] * 2 + ["joy"] * 2  # 7 of 10 right


@pytest.fixture
def figures():
    good = evaluate_predictions(TRUTH, TRUTH, LABELS)
    mine = evaluate_predictions(TRUTH, GUESS, LABELS)
    guess = evaluate_predictions(TRUTH, ["joy"] * 10, LABELS)
    return {
        **{"train": good, "validation": mine, "test": mine},
        **{f"{name}_majority": guess for name in ("train", "validation", "test")},
        **{f"{name}_tfidf": mine for name in ("train", "validation", "test")},
    }


@pytest.fixture
def facts():
    pair = {"true": "<b>sad</b>", "predicted": "joy", "rows": 1}
    return {
        "about": {"features": "bert", "head": "sklearn.svm.LinearSVC(C=1.0)", "fingerprint": "f" * 64},
        "created": "2020-01-01T00:00:00+00:00",
        "split": {"seed": 0},
        "counts": {"rows": 12345, "truncated": 22, "unknown_token_share": 0.0123, "missing_or_malformed_text": 4},
        "warnings": ["class 'calm' has 1 rows in test: its figures say little"],
        "timings": {"fit": 1.5},
        "pairs": {"validation": [], "test": [pair]},
        "encoder": {"model": "packaged:minilm-l6", "max_length": 60},
        "versions": {"python": "3.11"},
    }


class Page(HTMLParser):
    """Collects tags that were not closed, links to elsewhere, and the text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.elsewhere, self.text = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "path", "use", "rect", "image", "br", "link"):
            self.open.append(tag)
        self.elsewhere += [v for k, v in attrs if k in ("src", "href") and not v.startswith(("#", "data:"))]

    def handle_endtag(self, tag):
        if tag in ("path", "use", "rect", "image"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(figures, facts):
    source = render_report(figures, facts)
    page = Page(source)
    assert page.open == []
    assert page.elsewhere == []
    assert not re.search(r"@import|url\((?!#)", source)


def test_the_page_says_the_figures(figures, facts):
    text = " ".join(" ".join(Page(render_report(figures, facts)).text).split())
    assert "this model is right 70.0 times in 100" in text
    assert "Always answering the most frequent class would be right 60.0 times" in text
    assert "accuracy, test 0.700" in text
    assert "weighted F1, training 1.000" in text
    assert "it knows those by heart" in text  # 1.0 on training rows, about .7 on the others
    assert "truncated 22" in text
    assert "unknown token share 1.23 %" in text
    assert "missing or malformed text 4" in text
    assert "rows 12,345" in text
    assert "class 'calm' has 1 rows in test" in text
    assert "f" * 64 in text


def test_no_warning_of_over_fitting_where_there_is_none(figures, facts):
    figures["train"] = figures["test"]
    assert "by heart" not in render_report(figures, facts)


def test_heat_map_has_counts_and_row_shares(figures, facts):
    picture = re.search(r"<svg[^>]*confusion matrix.*?</svg>", render_report(figures, facts), re.DOTALL).group()
    shown = [text for text in re.findall(r">([^<>\n]+)</text>", picture) if re.search(r"[0-9]", text)]
    assert {"5", "83%", "2", "67%", "33%", "100%"} <= set(shown)
    assert "currentColor" in picture  # one picture for dark and light


def test_labels_and_texts_are_escaped(figures, facts):
    facts["pairs"]["test"][0]["texts"] = ["<script>alert(1)</script>"]
    source = render_report(figures, facts)
    assert "<script>" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "<b>sad" not in source


def test_a_page_without_baseline_and_without_encoder(figures, facts):
    for name in ("train", "validation", "test"):
        del figures[f"{name}_tfidf"]
    facts["encoder"] = None
    source = render_report(figures, facts)
    assert "TF-IDF + the same head" not in source
    assert "packaged:minilm-l6" not in source


def test_the_model_card_has_the_held_out_figures_and_its_limits(figures, facts):
    card = model_card(figures, facts)
    assert "| this model | 0.700 | 0.702 |" in re.sub(r" +", " ", card)
    assert "| always the most frequent class | 0.600 |" in card
    assert "no basis for decisions about people" in card
    assert "packaged:minilm-l6" in card


def test_dark_light_phone_and_paper_have_rules(figures, facts):
    source = render_report(figures, facts)
    for rule in ("prefers-color-scheme: dark", "@media print", "width=device-width", "max-width: 42rem"):
        assert rule in source
