"""Every kind of file that people have goes through embed, train and score, with the records and texts of pandas."""

import json
from collections import Counter

import pandas as pd
import pytest

from jobs import embed, score, train
from tests.support.run_records import run_record

MOODS = ["joy", "sad", None]
WORDS = ["so happy, really", 'she said "hi" to me', "i miss you", 'last "words"', '"New" dogs', "don\u2019t"]


def tweets(texts):
    """Return 60 tweets: every tenth has no text, every third no label."""
    rows = [(n, None if n % 10 == 9 else f"{texts[n % len(texts)]} {n % 4}", MOODS[n % 3]) for n in range(60)]
    return pd.DataFrame(rows, columns=["id", "text", "label"])


TWEETS = tweets([*WORDS, "line one\nline two"])
LINES = tweets([*WORDS, "5\" tall and 6' wide"])  # without line ends


def with_index(folder, spark):
    TWEETS.to_csv(folder / "in.csv")
    return "in.csv", [], pd.read_csv(folder / "in.csv", index_col=0)


def with_a_doubled_name(folder, spark):
    TWEETS.assign(text_2="other").rename(columns={"text_2": "text"}).to_csv(folder / "in.csv", index=False)
    return "in.csv", [], pd.read_csv(folder / "in.csv")


def without_a_header(folder, spark):
    TWEETS.to_csv(folder / "in.csv", index=False, header=False)
    names = ["id", "text", "label"]
    return "in.csv", ["--columns", ",".join(names)], pd.read_csv(folder / "in.csv", names=names)


def with_stray_quotes(folder, spark):
    rows = LINES.astype(object).where(LINES.notna(), "").astype(str)
    (folder / "in.tsv").write_text("\n".join(["\t".join(row) for row in [rows.columns, *rows.to_numpy()]]) + "\n")
    return "in.tsv", ["--quote", ""], pd.read_csv(folder / "in.tsv", sep="\t", quoting=3)


def with_semicolons_in_windows_1252(folder, spark):
    settings = {"sep": ";", "encoding": "cp1252"}
    TWEETS.to_csv(folder / "in.csv", index=False, **settings)
    return "in.csv", ["--sep", ";", "--encoding", "windows-1252"], pd.read_csv(folder / "in.csv", **settings)


def as_spark_writes_csv(folder, spark):
    rows = spark.createDataFrame([tuple(row) for row in without_nan(TWEETS)], "id long, text string, label string")
    rows.repartition(2).write.option("header", True).csv(str(folder / "in"))
    parts = [pd.read_csv(part, escapechar="\\", doublequote=False) for part in (folder / "in").glob("*.csv")]
    return "in", ["--format", "csv"], pd.concat(parts)


def with_words_for_missing_values(folder, spark):
    TWEETS.to_csv(folder / "in.csv.gz", index=False, na_rep="NA")
    return "in.csv.gz", ["--null-value", "NA"], pd.read_csv(folder / "in.csv.gz")


def nested(folder, spark):
    """Long texts are in a struct, as in Twitter's extended tweets."""
    rows = [
        {"id": row.id, "label": row.label, "text": row.text[:5]} | {"extended_tweet": {"full_text": row.text}}
        if isinstance(row.text, str) and row.id % 2
        else {"id": row.id, "label": row.label, "text": row.text}
        for row in without_nan(TWEETS)
    ]
    (folder / "in.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pd.json_normalize(rows)
    expected = table.assign(text=table["extended_tweet.full_text"].fillna(table["text"]))
    return "in.json", ["--text-column", "extended_tweet.full_text,text"], expected


def pages_of_an_api(folder, spark):
    rows = [row._asdict() for row in without_nan(TWEETS)]
    pages = [{"data": rows[:25], "meta": {"count": 25}}, {"data": []}, {"data": rows[25:]}]
    (folder / "in.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages))
    return "in.jsonl", ["--records", "data"], pd.json_normalize(pages, "data")


def a_json_array(folder, spark):
    TWEETS.to_json(folder / "in.json", orient="records", indent=1)
    return "in.json", [], pd.read_json(folder / "in.json")


def parquet_with_labels_as_floats(folder, spark):
    TWEETS.assign(label=TWEETS["label"].map({"joy": 1.0, "sad": 0.0})).to_parquet(folder / "in.parquet")
    return "in.parquet", [], pd.read_parquet(folder / "in.parquet")


def orc(folder, spark):
    rows = spark.createDataFrame([tuple(row) for row in without_nan(TWEETS)], "id long, text string, label string")
    rows.coalesce(1).write.orc(str(folder / "in"))
    return "in", ["--format", "orc"], pd.concat(map(pd.read_orc, (folder / "in").glob("*.orc")))


def without_nan(table):
    """Return the rows with None in place of NaN."""
    return table.astype(object).where(table.notna(), None).itertuples(index=False)


KINDS = [
    *(with_index, with_a_doubled_name, without_a_header, with_stray_quotes, with_semicolons_in_windows_1252),
    *(as_spark_writes_csv, with_words_for_missing_values, nested, pages_of_an_api, a_json_array),
    *(parquet_with_labels_as_floats, orc),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_record_and_text_goes_through_all_jobs(spark, tiny_bert, tmp_path, kind):
    name, options, expected = kind(tmp_path, spark)
    assert (len(expected), expected["text"].notna().sum(), expected["label"].notna().sum()) == (60, 54, 40)
    source = ["--input", str(tmp_path / name), *options]
    texts = Counter(expected["text"].dropna())

    assert embed.main([*source, "--model", str(tiny_bert), "--output", str(tmp_path / "vectors")]) == 0
    record, rows = run_record(tmp_path, "embed"), spark.read.parquet(str(tmp_path / "vectors")).collect()
    assert (record["rows_in"], record["rows_out"], record["rows_missing"], record["rows_malformed"]) == (60, 60, 6, 0)
    assert texts_of(rows) == texts
    assert Counter(row.error for row in rows) == {None: 54, "missing text": 6}

    training = ["--features", "tfidf", "--model", str(tiny_bert), "--output", str(tmp_path / "artefact")]
    assert train.main([*source, *training]) == 0
    counts = json.loads((tmp_path / "artefact" / "metadata.json").read_text())["counts"]
    usable = int((expected["text"].notna() & expected["label"].notna()).sum())
    assert (counts["rows"], counts["without_label"], counts["missing_or_malformed_text"]) == (60, 20, 40 - usable)

    scoring = ["--artefact", str(tmp_path / "artefact"), "--label-column", "predicted", "--truth", "label"]
    assert score.main([*source, *scoring, "--output", str(tmp_path / "scores")]) == 0
    record, rows = run_record(tmp_path, "score"), spark.read.parquet(str(tmp_path / "scores")).collect()
    assert (record["rows_in"], record["rows_out"], sum(record["labels"].values())) == (60, 60, 54)
    assert texts_of(rows) == texts
    truth = record["truth"]
    assert (truth["rows"], truth["without_label"], truth["without_prediction"]) == (usable, 20, 40 - usable)


def texts_of(rows):
    """Return how often each text occurs; a nested text counts where there is one."""
    found = [(row.extended_tweet and row.extended_tweet.full_text) if "extended_tweet" in row else None for row in rows]
    return Counter(filter(None, (text or row.text for text, row in zip(found, rows, strict=True))))
