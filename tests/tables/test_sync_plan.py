"""What happens to each id, from the digests of both sides."""

import pytest

from bert_spark.errors import DataError
from bert_spark.tables.sync_plan import CHANGE, change_counts, check_ids, compared
from bert_spark.tables.sync_rows import FILE, ID, ROW, SIZE, TEXT

INPUT = f"{ID} string, {TEXT} string, {ROW} string, {SIZE} int"
OUTPUT = f"{ID} string, {TEXT} string, {ROW} string, {FILE} string"
NOW = [("1", "a", "r", 5), ("2", "b", "r", 7), ("3", "a", "s", 1), ("5", "c", "r", 9)]
BEFORE = [("1", "a", "r", "f"), ("2", "a", "r", "f"), ("3", "a", "r", "g"), ("4", "a", "r", "g")]


def counts(spark, now, before):
    rows = compared(spark.createDataFrame(now, INPUT), spark.createDataFrame(before, OUTPUT))
    return rows, rows.agg(*change_counts()).collect()[0].asDict()


def test_each_id_is_added_encoded_rewritten_removed_or_left(spark):
    rows, found = counts(spark, NOW, BEFORE)
    changes = {row[ID]: (row[CHANGE], row[FILE]) for row in rows.collect()}
    assert changes == {
        "1": ("unchanged", "f"),
        "2": ("text", "f"),
        "3": ("columns", "g"),
        "4": ("removed", "g"),
        "5": ("added", None),
    }
    assert found["text_size"] == 7 + 9
    assert found["rows_before"] == 4
    check_ids(found, "id", "in", "out")


@pytest.mark.parametrize(
    ("now", "before", "message"),
    [
        (
            [NOW[0], NOW[0], (None, "a", "r", 1)],
            [],
            "input 'in': 1 rows have no id in column 'id', and 1 ids are on more",
        ),
        (NOW, [BEFORE[0], BEFORE[0]], "output 'out': 0 rows have no id in column 'id', and 1 ids are on more than one"),
        (NOW, [(None, "a", "r", "f")], "output 'out': 1 rows have no id"),
    ],
)
def test_missing_and_doubled_ids_are_counted(spark, now, before, message):
    with pytest.raises(DataError, match=message):
        check_ids(counts(spark, now, before)[1], "id", "in", "out")


def test_no_row_on_either_side_is_no_change(spark):
    assert set(counts(spark, [], [])[1].values()) == {0}
