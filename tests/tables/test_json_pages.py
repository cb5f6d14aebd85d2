"""json pages of an API: their records become rows, in files of lines, arrays or one document over several lines."""

import json

import pytest

from bert_spark.errors import DataError
from bert_spark.tables.schema import MALFORMED_COLUMN

PAGES = [
    {"data": [{"id": "1", "text": "hi"}, {"id": "2", "text": None}, None], "meta": {"result_count": 3}},
    {"data": [], "meta": {"result_count": 0}},
    {"meta": {"result_count": 0}},
    {"data": [{"id": "3", "text": "so"}]},
]
ROWS = [("1", "hi"), ("2", None), ("3", "so"), (None, None)]


def rows(df):
    return sorted(((row.id, row.text) for row in df.collect()), key=str)


@pytest.mark.parametrize("layout", ["lines", "array", "documents"])
def test_each_element_of_a_page_is_a_row(load, tmp_path, layout):
    if layout == "lines":
        (tmp_path / "x.json").write_text("\n".join(map(json.dumps, PAGES)))
    elif layout == "array":
        (tmp_path / "x.json").write_text(json.dumps(PAGES, indent=2))
    else:
        for n, page in enumerate(PAGES):
            (tmp_path / f"{n}.json").write_text(json.dumps(page, indent=2))
    df = load(tmp_path / "*.json", records="data", id_column="id")
    assert df.columns[:2] == ["id", "text"]
    assert rows(df) == sorted(ROWS, key=str)


def test_records_may_lie_deeper_and_a_malformed_page_keeps_its_row(load, tmp_path):
    page = {"response": {"docs": [{"id": 1, "text": "hi"}]}}
    (tmp_path / "x.jsonl").write_text(f"{json.dumps(page)}\nnot json\n")
    df = load(tmp_path / "x.jsonl", records="response.docs")
    found = {(row.id, row.text, row[MALFORMED_COLUMN]) for row in df.collect()}
    assert found == {(1, "hi", None), (None, None, "not json")}


def test_records_that_are_none_are_refused(load, tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps(PAGES[0]))
    with pytest.raises(DataError, match=r"column 'items' not found; the table has \['data', 'meta'\]; set --records"):
        load(tmp_path / "x.jsonl", records="items")
    with pytest.raises(DataError, match=r"column 'meta' is struct<.*>; expected an array of records; set --records"):
        load(tmp_path / "x.jsonl", records="meta")


def test_documents_and_lines_in_one_input_are_refused(load, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"text": "a longer text than b.json has"}, indent=9))
    assert [row.text for row in load(tmp_path / "*.json").collect()] == ["a longer text than b.json has"]
    (tmp_path / "b.json").write_text('{"text": "hi"}\n{"text": "so"}\n')
    with pytest.raises(
        DataError, match=r"holds files of one json document and files of json lines, such as '.*b.json'"
    ):
        load(tmp_path / "*.json")


def test_a_line_that_is_cut_is_no_document(load, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "cut\n{"text": "hi"}\n{"text": "so"}\n')
    assert load(tmp_path / "x.jsonl").count() == 3
