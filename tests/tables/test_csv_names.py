"""Columns of csv files get names: from the header, from --columns, or by their position."""

import pytest

from bert_spark.errors import ConfigError, DataError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_names import column_names, looks_like_data


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ([None, "text", "label"], ["_c0", "text", "label"]),  # pandas' to_csv with its index
        (["id", "text", "text"], ["id", "text", "text_2"]),
        (["Text", "text", "TEXT"], ["Text", "text_2", "TEXT_3"]),
        (["v1", "v2", "", None, None], ["v1", "v2", "_c2", "_c3", "_c4"]),
        (["text", "text", "text_2"], ["text", "text_3", "text_2"]),
        ([None, "_c0"], ["_c0_2", "_c0"]),
        (["day", "text"], ["day_2", "text"]),  # a folder day=... keeps the name
    ],
)
def test_columns_without_a_name_or_with_a_doubled_one_get_a_name_of_their_own(header, names):
    assert column_names(InputConfig("x.csv"), header, folder_columns=["day"]) == names


def test_without_a_header_columns_are_named_by_position_or_by_the_option():
    assert column_names(InputConfig("x.csv", header=False), ["so", "hi"]) == ["_c0", "_c1"]
    for header in (None, True):
        assert column_names(InputConfig("x.csv", header=header, columns="text, label"), ["a", "b"]) == ["text", "label"]
    has_header = {header: InputConfig(header=header, columns="a").has_header for header in (None, True, False)}
    assert has_header == {None: False, True: True, False: False}
    with pytest.raises(DataError, match=r"--columns has 1 names, and the first record of 'x.csv' has 2 columns"):
        column_names(InputConfig("x.csv", columns="text"), ["so", "hi"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": "text,Text"}, "a name is empty or doubled"),
        ({"columns": "text,,a"}, "a name is empty or doubled"),
        ({"columns": "text", "format": "json"}, "they are for csv files only"),
        ({"header": False, "format": "parquet"}, "they are for csv files only"),
        ({"quote": "''"}, "is too long; expected one character"),
        ({"quote": ","}, "as quote and as delimiter"),
        ({"delimiter": ""}, "delimiter='' is empty"),
        ({"null_value": "NA"}, "null_value='NA' is a str"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        InputConfig("x", **settings)


@pytest.mark.parametrize(
    ("first", "following", "data"),
    [
        (["id", "Tweet Text", "Is it spam?"], [["1", "hi", "no"]], False),
        ([None, "0", "1"], [["0", "hi", "no"]], False),  # pandas numbers columns without a name
        (["2019", "2020"], [], True),
        (["so happy today", "joy"], [["what a day", "sad"], ["hello", "joy"]], True),  # a label that comes again
        (["text", "label"], [["hi", "joy"], ["text", "label"]], False),  # files joined together
        (["hello", "@someone"], [], True),
        (["see http://x.y", "a"], [], True),
        (["i am so happy today", "a"], [], True),
        (["yes \U0001f600", "a"], [], True),
        (["2020-03-02 10:00", "a"], [], True),
    ],
)
def test_a_first_line_of_data_is_told_from_names(first, following, data):
    assert looks_like_data(first, following) == data
