"""The dialect of csv files is that of the settings, or what their first lines show."""

import pytest

from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_dialect import csv_options, escapes_by_backslash, every_line_is_a_record


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (r'"1","she said \"hi\""', True),
        (r'1,"\"quoted\", all of it"', True),
        (r'"1","ends in \"', False),  # with doubled quotes these are texts that end in a backslash
        (r'"ends in \",1', False),
        (r'"she said \""hi\"""', False),
        (r"1,she said \"hi\" to me", False),  # no value begins with a quote
    ],
)
def test_a_backslash_before_a_quote_inside_quotes_is_an_escape(line, found):
    assert escapes_by_backslash(["id,text", line], InputConfig("x.csv")) == found
    assert not escapes_by_backslash(["id,text", line], InputConfig("x.csv", escape='"'))
    assert not escapes_by_backslash(["id,text", line], InputConfig("x.csv", quote=""))


@pytest.mark.parametrize(
    ("lines", "each_a_record"),
    [
        (["text\tlabel", '"Breaking: rain\tNEG', 'last words"\tNEG'], True),
        (["text\tlabel", "one\ttwo\tthree"], False),
        (['"text"\t"label"', '"one\tNEG', 'two"\tNEG'], False),  # written by a program that quotes every value
    ],
)
def test_lines_with_a_value_for_each_column_are_records(lines, each_a_record):
    assert every_line_is_a_record(lines, InputConfig("x.tsv"), 2) == each_a_record


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {"quote": '"', "escape": '"', "sep": "\t"}),
        ({"delimiter": ";", "escape": "\\"}, {"quote": '"', "escape": "\\", "sep": ";"}),
        ({"quote": "'"}, {"quote": "'", "escape": "'"}),
        ({"delimiter": "\\t", "escape": ""}, {"escape": '"', "sep": "\t"}),
    ],
)
def test_settings_become_options_of_the_reader(settings, options):
    assert options.items() <= csv_options(InputConfig("x.tsv", **settings)).items()
