"""csv files as pandas, R, Spark, databases and spreadsheets write them are read exactly, or refused before any work."""

import pandas as pd
import pytest

from bert_spark.errors import DataError
from bert_spark.tables.schema import MALFORMED_COLUMN

TWEETS = ["so happy", "two\nlines, really", 'she said "hi"', None, "caf\u00e9"]


def texts(df, *names):
    """Return the rows of some columns, in the order of the file."""
    return [tuple(row[name] for name in names) for row in df.collect()]


def frame(path, **options):
    """Return the records that pandas reads, as tuples."""
    table = pd.read_csv(path, dtype=str, **options)
    return [tuple(None if pd.isna(value) else value for value in row) for row in table.itertuples(index=False)]


def test_the_index_that_pandas_writes_has_no_name(load, tmp_path, caplog):
    pd.DataFrame({"text": TWEETS, "label": list("abcde")}).to_csv(tmp_path / "x.csv")
    df = load(tmp_path / "x.csv")
    assert df.columns == ["_c0", "text", "label", MALFORMED_COLUMN]
    assert texts(df, "_c0", "text", "label") == frame(tmp_path / "x.csv")
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"csv header of '{tmp_path}/x.csv': column 1 (without a name) is read as '_c0'"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("id,text,text", ["id", "text", "text_2"]),
        ("Text,text,id", ["Text", "text_2", "id"]),
        ("v1,v2,", ["v1", "v2", "_c2"]),
        (",,text", ["_c0", "_c1", "text"]),
        ('"",text,"a\nb"', ["_c0", "text", "a\nb"]),
    ],
)
def test_headers_with_empty_and_doubled_names_are_read(load, tmp_path, header, names):
    (tmp_path / "x.csv").write_text(f"{header}\n1,hi,\n2,,so\n3\n")
    df = load(tmp_path / "x.csv", text_column=names[1])
    assert df.columns == [*names, MALFORMED_COLUMN]
    assert texts(df, *names)[:2] == [("1", "hi", None), ("2", None, "so")]
    assert texts(df, MALFORMED_COLUMN) == [(None,), (None,), ("3",)]


@pytest.mark.parametrize("header", ["text,id", "id,text,lang", "id", "1,hi there"])
def test_files_with_other_columns_are_refused_before_any_work(load, tmp_path, header):
    (tmp_path / "a.csv").write_text("id,text\n1,hi\n")
    (tmp_path / "b.csv").write_text("ID,text\n2,hi\n")
    (tmp_path / "c.csv").write_text("")
    assert load(tmp_path / "*.csv").count() == 2
    (tmp_path / "d.csv").write_text(f"{header}\nso,3\n")
    with pytest.raises(DataError, match=r"1 files of .*, such as 'd.csv', have other columns than 'a.csv'") as refused:
        load(tmp_path / "*.csv")
    assert "hi there" not in str(refused.value)


def test_a_folder_keeps_its_name_where_the_files_have_a_column_of_this_name(load, tmp_path):
    (tmp_path / "day=1").mkdir()
    (tmp_path / "day=1" / "x.csv").write_text("day,text\nmonday,hi\n")
    df = load(tmp_path, format="csv")
    assert texts(df, "day_2", "text", "day") == [("monday", "hi", "1")]


def test_files_without_a_header_get_names_by_position_or_by_the_option(load, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text('0,"so happy, really"\n1,i miss you\n2\n')
    expected = [("0", "so happy, really"), ("1", "i miss you"), ("2", None)] * 2
    assert texts(load(tmp_path / "*.csv", header=False, text_column="_c1"), "_c0", "_c1") == expected
    assert texts(load(tmp_path / "*.csv", columns="label,text"), "label", "text") == expected
    renamed = load(tmp_path / "a.csv", columns="label,text", header=True)
    assert texts(renamed, "label", "text") == expected[1:3]


@pytest.mark.parametrize("line", ["so happy @bob,joy", "0,1467810369,@switchfoot hey", "this one is a tweet"])
def test_a_first_line_of_data_is_not_quoted(load, tmp_path, line, caplog):
    (tmp_path / "x.csv").write_text(f"{line}\n{line[::-1]}\n")
    with pytest.raises(DataError, match=r"whose first line looks like data \(not shown\): .*, set --no-header") as said:
        load(tmp_path / "x.csv")
    shown = str(said.value) + caplog.text
    assert not any(word in shown for word in line.replace(",", " ").split() if len(word) > 3)


STRAY = ['"Breaking: rain\tNEG', "so happy\tPOS", "i miss\tNEG", 'last words"\tNEG', "bye\tPOS"]


def test_stray_quotes_glue_records_together_which_are_marked(load, tmp_path):
    (tmp_path / "x.tsv").write_text("\n".join(["text\tlabel", *STRAY, ""]))
    glued = "\n".join(STRAY[:4]).replace('"', "")
    assert texts(load(tmp_path / "x.tsv"), MALFORMED_COLUMN) == [(glued,), (None,)]
    with pytest.raises(DataError, match=r"holds 1 malformed records \(1 of several lines: see --quote\)"):
        load(tmp_path / "x.tsv", fail_on_malformed=True)
    df = load(tmp_path / "x.tsv", quote="", fail_on_malformed=True)
    assert texts(df, "text", "label") == frame(tmp_path / "x.tsv", sep="\t", quoting=3)


@pytest.mark.parametrize(
    ("lines", "glued"),
    [
        (["id,text", '1,"open', "2,so", '3,bye"', "4,hi"], True),
        (["id,text", "1,hi", '2,"never closed', "3,so"], True),
        (["id,text", '1,"hello', 'world, bye"', "2,so"], False),  # a text of two lines: no id begins the second
        (["text,label", '"so happy, you', 'bye",NEG', "hi,POS"], False),  # the comma of a sentence
        (["text,label", '"hi', 'bye",NEG'], False),
        (["id,text", '1,"hello', '2, bye"', "2,a, b"], False),  # not every line is a record
        (['"id","text"', '"1","hello', '2,bye"'], False),  # a program that quotes all values wrote it
    ],
)
def test_texts_of_several_lines_are_not_glued_records(load, tmp_path, lines, glued):
    (tmp_path / "x.csv").write_text("\n".join([*lines, ""]))
    malformed = [raw for (raw,) in texts(load(tmp_path / "x.csv"), MALFORMED_COLUMN) if raw and "\n" in raw]
    assert len(malformed) == glued


@pytest.mark.parametrize("quote_all", [False, True])
def test_csv_as_spark_writes_it_is_recognised(spark, load, tmp_path, quote_all, caplog):
    corners = ['she said "hi", so', 'two\n"lines"', '"all"', '\\"', "a\\b", '"', "ends in \\", '{"a": "b"}', "so"]
    table = spark.createDataFrame([(str(n), text) for n, text in enumerate(corners)], "id string, text string")
    table.coalesce(1).write.csv(str(tmp_path / "x"), header=True, quoteAll=quote_all)
    df = load(tmp_path / "x", format="csv")
    assert texts(df, "text") == [(text,) for text in corners]
    assert "has backslashes before quotes, as Spark writes csv: read with --escape '\\'" in caplog.text


def test_escape_is_read_as_set(load, tmp_path):
    (tmp_path / "x.csv").write_text('text\n"she said ^"hi^", so"\n')
    assert texts(load(tmp_path / "x.csv", escape="^"), "text") == [('she said "hi", so',)]


def test_null_values_become_null_in_every_column(load, tmp_path):
    (tmp_path / "x.csv").write_text('text,label\nNA,\\N\n"NA",None\nNAN,NA \n')
    df = load(tmp_path / "x.csv", null_value=("NA", "\\N"))
    assert texts(df, "text", "label") == [(None, None), (None, "None"), ("NAN", "NA ")]
    assert texts(load(tmp_path / "x.csv"), "text", "label")[0] == ("NA", "\\N")


SMART = "don\u2019t \u201cworry\u201d \u2013 5\u20ac"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("windows-1252", SMART),
        ("cp1251", "\u043f\u0440\u0438\u0432\u0435\u0442"),
        ("windows-1256", "\u0633\u0644\u0627\u0645"),
        ("Shift_JIS", "\u65e5\u672c"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "json", "txt"])
def test_every_encoding_of_java_is_read(load, tmp_path, encoding, text, kind):
    content = {"csv": f"id,text\n1,{text}\n", "json": f'{{"id": "1", "text": "{text}"}}\n', "txt": f"{text}\n"}
    (tmp_path / f"x.{kind}").write_bytes(content[kind].encode(encoding))
    assert texts(load(tmp_path / f"x.{kind}", encoding=encoding), "text") == [(text,)]
