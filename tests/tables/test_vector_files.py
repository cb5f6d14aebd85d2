"""Files of vectors, whatever kind of run wrote them: vectors and texts have no dictionary, vectors no statistics."""

import pyarrow.parquet as pq
import pyspark
import pytest

from jobs import embed

RUNS = {
    "plain": [],
    "by day": ["--run-date", "2026-11-22", "--date-column", "day"],
    "incremental": ["--incremental", "--checkpoint", "{folder}/checkpoint"],
    "sync": ["--sync", "--id-column", "id"],
}


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_vectors_and_texts_have_no_dictionary_and_vectors_no_statistics(spark, tiny_bert, tmp_path, options):
    rows = [(f"k{n}", "2026-11-22", f"hello number {n % 7}") for n in range(20)]
    spark.createDataFrame(rows, "id string, day string, text string").write.parquet(f"{tmp_path}/tweets")
    base = ["--input", f"{tmp_path}/tweets", "--model", str(tiny_bert), "--output", f"{tmp_path}/vectors"]
    assert embed.main([*base, *(option.format(folder=tmp_path) for option in options)]) == 0
    files = list((tmp_path / "vectors").rglob("part-*.parquet"))
    assert sum(pq.read_metadata(file).num_rows for file in files) == len(rows)
    for file in files:
        columns = [pq.read_metadata(file).row_group(0).column(n) for n in range(pq.read_metadata(file).num_columns)]
        made = {column.path_in_schema: (column.has_dictionary_page, column.is_stats_set) for column in columns}
        always = pyspark.__version__.startswith("3.5")  # its Parquet cannot leave out the statistics of a column
        assert [made[name] for name in made if name.endswith(".list.element")] == [(False, always)]
        assert (made["text"], made["day"]) == ((False, True), (True, True))
