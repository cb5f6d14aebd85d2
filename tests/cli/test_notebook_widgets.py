"""Widgets of a notebook become options of the jobs, on Databricks and in a script."""

import pytest

from bert_spark.cli.notebook_widgets import ScriptWidgets, widget_options
from bert_spark.errors import ConfigError


def test_widgets_become_options_and_empty_widgets_give_none():
    widgets = ScriptWidgets(["text_column=body", "scale=true"])
    for name, default in {"text_column": "text", "id_column": "", "scale": "false", "bundle": "false"}.items():
        widgets.text(name, default)
    options = widget_options(widgets, "text_column", "id_column", "scale", "bundle")
    assert options == ["--text-column=body", "--scale", "--no-bundle"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["body"], r"got \['body'\]; expected NAME=VALUE"),
        (["text_colum=body"], r"there are no widgets \['text_colum'\]"),
        (["pooling=median"], "pooling='median' is unknown; known are"),
    ],
)
def test_wrong_script_argument_is_refused(arguments, message):
    def read_widgets():
        widgets = ScriptWidgets(arguments)
        widgets.text("text_column", "text")
        widgets.dropdown("pooling", "cls", ["cls", "mean"])
        widgets.get("text_column")

    with pytest.raises(ConfigError, match=message):
        read_widgets()
