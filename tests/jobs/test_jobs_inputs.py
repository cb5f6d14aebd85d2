"""jobs/embed.py over inputs and outputs of many kinds: names, encodings, formats, existing outputs."""

import json

import pandas as pd

from jobs import embed
from tests.support.row_counter import rows_through_python
from tests.support.run_records import run_record


def test_options_override_the_toml_file(spark, tiny_bert, tmp_path):
    (tmp_path / "tweets.csv").write_text("id,text\n1,hi\n")
    (tmp_path / "x.toml").write_text(
        f'[input]\npath = "./tweets.csv"\n[encoder]\nmodel = "{tiny_bert}"\nmax_length = 9\n[output]\npath = "./out"\n'
    )
    assert embed.main(["--config", str(tmp_path / "x.toml"), "--max-length", "7"]) == 0
    assert run_record(tmp_path, "embed")["encoder"]["max_length"] == 7


def test_input_column_named_like_an_unused_diagnostic_is_kept(spark, tiny_bert, tmp_path):
    (tmp_path / "tweets.csv").write_text("reused,text\nyes,hi\n")
    base = ["--input", str(tmp_path / "tweets.csv"), "--model", str(tiny_bert)]
    assert embed.main([*base, "--output", str(tmp_path / "out")]) == 0
    (row,) = spark.read.parquet(str(tmp_path / "out")).collect()
    assert (row.reused, row.error, len(row.embedding), len(row)) == ("yes", None, 32, 4)


def test_folder_names_with_blanks_and_signs_work(spark, tiny_bert, tmp_path):
    folder = tmp_path / "a folder, 50% of it #1"
    folder.mkdir()
    (folder / "my tweets.csv").write_text("id,text\n1,hi\n2,so\n")
    source, target = str(folder / "my tweets.csv"), str(tmp_path / "my 50% #out")
    assert embed.main(["--input", source, "--model", str(tiny_bert), "--output", target]) == 0
    assert run_record(tmp_path, "embed")["rows_out"] == 2


def test_suspicious_records_are_counted_and_warned_of(spark, tiny_bert, tmp_path, capfd):
    after_open_quote = "\n".join(f"{i},so" for i in range(2, 30))
    (tmp_path / "tweets.csv").write_bytes(b'id,text\n0,caf\xe9\n1,"open\n' + after_open_quote.encode())
    base = ["--input", str(tmp_path / "tweets.csv"), "--model", str(tiny_bert), "--output", str(tmp_path / "out")]
    assert embed.main(base) == 0
    counts = run_record(tmp_path, "embed")
    assert (counts["rows_out"], counts["rows_many_lines"], counts["rows_undecodable"]) == (2, 1, 1)
    printed = capfd.readouterr().out
    assert "warning 1 records with 20 line ends or more: is a quote left open?" in printed
    assert "warning 1 texts hold U+FFFD: is --encoding right?" in printed


def test_undecodable_text_files_keep_their_rows_and_are_counted(spark, tiny_bert, tmp_path):
    (tmp_path / "tweets.txt").write_bytes("caf\u00e9 hello\nso happy\n".encode("latin-1"))
    base = ["--input", str(tmp_path / "tweets.txt"), "--model", str(tiny_bert)]
    assert embed.main([*base, "--output", str(tmp_path / "out")]) == 0
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert [(row.error, len(row.embedding)) for row in rows] == [(None, 32)] * 2
    counts = run_record(tmp_path, "embed")
    assert (counts["rows_out"], counts["rows_undecodable"], counts["rows_failed"]) == (2, 1, 0)


def test_append_adds_rows_and_overwrite_replaces_them(spark, tiny_bert, tmp_path):
    (tmp_path / "tweets.csv").write_text("id,text\n1,hi\n2,so\n")
    base = ["--input", str(tmp_path / "tweets.csv"), "--model", str(tiny_bert), "--output", str(tmp_path / "out")]
    counts = []
    for option in ([], ["--append"], ["--overwrite"]):
        assert embed.main([*base, *option]) == 0
        counts.append(spark.read.parquet(str(tmp_path / "out")).count())
    assert counts == [2, 4, 2]


def test_json_lines_and_tables_are_read_and_written(spark, tiny_bert, tmp_path):
    (tmp_path / "tweets.jsonl").write_text('{"id": 1, "text": "hi"}\n{"id": 2, "text": null}\nnot json\n')
    base = ["--model", str(tiny_bert), "--output-format", "table"]
    assert embed.main(["--input", str(tmp_path / "tweets.jsonl"), "--output", "first_table", *base]) == 0
    rows = spark.table("first_table").orderBy("id").collect()
    assert [(row.id, row.text, row.error) for row in rows] == [
        (None, "not json", "malformed row"),
        (1, "hi", None),
        (2, None, "missing text"),
    ]
    again = ["--input", "first_table", "--output", "second_table", "--error-column", "why", *base]
    assert embed.main(again) == 1  # the input has a column embedding already
    spark.sql("CREATE TABLE plain USING parquet AS SELECT id, text FROM first_table")
    assert embed.main(["--input", "plain", "--output", "second_table", *base]) == 0
    properties = {row.key: row.value for row in spark.sql("SHOW TBLPROPERTIES second_table").collect()}
    (published,) = (json.loads(value) for key, value in properties.items() if key.startswith("bert_spark.embed-"))
    assert published["rows_out"] == 3


def test_keep_order_numbers_the_rows_and_each_output_file_has_them_in_order(spark, tiny_bert, tmp_path):
    texts = [f"tweet {n} so happy" for n in range(600)]
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "tweets.csv", index=False)
    base = ["--input", str(tmp_path / "tweets.csv"), "--model", str(tiny_bert), "--max-length", "8"]
    with rows_through_python(spark) as rows:
        options = ["--keep-order", "--partition-mb", "0.004", "--output", str(tmp_path / "out")]
        assert embed.main([*base, *options]) == 0
    assert rows == [600]
    files = [pd.read_parquet(file) for file in (tmp_path / "out").glob("*.parquet")]
    assert len(files) > 2
    assert all(file["row_number"].is_monotonic_increasing for file in files)
    assert pd.concat(files).sort_values("row_number")["text"].tolist() == texts
