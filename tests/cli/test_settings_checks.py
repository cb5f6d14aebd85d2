"""Settings that contradict each other are refused before Spark starts, and before any library is loaded."""

import pytest

from bert_spark.cli.settings_checks import read_job
from bert_spark.errors import ArtefactError, ConfigError, DataError
from tests.support.paths import ROOT

IN, OUT = ["--input", "tweets.csv"], ["--output", "vectors"]
DAY, NEW = ["--run-date", "2026-11-24"], ["--incremental", "--checkpoint", "seen"]
SYNC = ["--sync", "--id-column", "id"]


def read(job, *arguments):
    return read_job(str(ROOT / "jobs" / f"{job}.py"), None, list(arguments))


@pytest.mark.parametrize(
    ("job", "arguments", "message"),
    [
        ("embed", OUT, "no input given; pass --input"),
        ("embed", IN, "no output given; pass --output"),
        ("embed", [*IN, "--output", "a/.."], "does not end with the name of a folder"),
        ("embed", [*IN, *OUT, "--output-format", "table", "--output", "a/b"], "is not a table name"),
        ("embed", ["--input", "t", "--output", "t", "--output-format", "table"], "output 't' is the input"),
        ("embed", ["--input", "data/tweets", "--output", "data/tweets/vectors"], "holds it, or lies in it"),
        ("embed", ["--input", "/data/*/tweets", "--output", "/data"], "holds it, or lies in it"),
        ("embed", ["--input", "a.txt", *OUT, "--encoding", "UTF-16"], "not supported for text files"),
        ("embed", [*IN, *OUT, *DAY, "--overwrite"], "leave out --overwrite"),
        ("embed", [*IN, *OUT, "--from", "2026-11-24", "--to", "2026-11-25"], "set --date-column"),
        ("embed", [*IN, *OUT, *NEW, "--fail-on-malformed"], "set --max-error-share 0"),
        ("embed", [*IN, *OUT, *NEW, "--reuse", "earlier"], "got --reuse with --incremental"),
        ("embed", [*IN, *OUT, *DAY, "--output-format", "table"], "set --work to a folder"),
        ("embed", [*IN, *OUT, "--sync"], "set --id-column"),
        ("embed", [*IN, *OUT, *SYNC, *DAY], "got run_date and sync; expected one of"),
        ("embed", [*IN, *OUT, *SYNC, *NEW], "got incremental and sync; expected one of"),
        ("embed", [*IN, *OUT, *SYNC, "--overwrite"], "got --overwrite with --sync"),
        ("embed", [*IN, *OUT, *SYNC, "--append", "--date-column", "d"], "got --append and --date-column with --sync"),
        ("embed", [*IN, *OUT, *SYNC, "--keep-order"], "got --keep-order with --sync"),
        ("embed", ["--input", "in/{run_date}", *OUT, *SYNC], "got {run_date} in --input with --sync"),
        (
            "embed",
            [*IN, *OUT, *SYNC, "--output-format", "orc"],
            "with --output-format orc; expected parquet, or a table",
        ),
        ("embed", [*IN, *OUT, *SYNC, "--output-format", "table"], "set --work to a folder"),
        ("embed", [*IN, *OUT, *SYNC, "--max-removed-share", "50"], "max_removed_share=50.0 is not a share"),
        ("embed", ["--input", "in/{run_date}", *OUT, "--estimate", "9"], "write a day in place of {run_date}"),
        ("score", [*IN, *OUT], "--artefact is not set"),
        ("score", ["--artefact", "s3://b/a", *IN], "no output given"),
        ("train", IN, "--output is not set"),
        ("train", OUT, "no input given"),
        ("search", [*IN, *OUT, "--poolings", "cls,flatten"], "flatten cannot be searched together with others"),
        ("search", [*IN, *OUT, "--poolings", "cls,first"], "pooling 'first' is unknown"),
        ("history", [], "--output is not set|no options given"),
    ],
)
def test_settings_that_no_run_can_have_are_refused(job, arguments, message):
    with pytest.raises(ConfigError, match=message):
        read(job, *arguments)


def test_an_archive_is_refused_by_its_name():
    with pytest.raises(DataError, match="is an archive"):
        read("embed", "--input", "tweets.zip", *OUT)


@pytest.mark.parametrize(
    ("job", "arguments"),
    [
        ("embed", []),  # conf/local.toml
        ("embed", ["--check"]),
        ("embed", ["--max-length", "9", "--check"]),  # neither input nor output
        ("embed", ["--input", "s3://b/tweets", "--output", "/tweets/out"]),
        ("embed", ["--input", "/tweets", "--output", "tweets/out"]),
        ("embed", [*IN, *OUT, *DAY, "--output-format", "table", "--work", "w"]),
        ("embed", [*IN, *OUT, *SYNC, "--output-format", "table", "--work", "w", "--max-removed-share", "1"]),
        ("score", ["--artefact", "s3://b/a", *IN, *OUT, *SYNC]),
        ("score", ["--artefact", "s3://b/a", "--input", "vectors", "--format", "parquet", "--output", "labels"]),
        ("score", ["--artefact", "file:/b/a", *IN, *OUT]),
        ("score", ["--artefact", "~/a", *IN, *OUT]),
        ("train", ["--embeddings", "vectors", *OUT]),
        ("train", [*IN, *OUT, "--head", "sklearn.linear_model.LogisticRegression"]),
        ("search", [*IN, *OUT, "--head", "sklearn.ensemble.RandomForestClassifier"]),
        ("history", OUT),
    ],
)
def test_settings_that_fit_together_are_accepted(job, arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "metadata.json").touch()
    assert read(job, *arguments).name == job


def test_an_artefact_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(
        ArtefactError, match=r"artefact '.*' has no metadata.json; expected a folder that train.py wrote"
    ):
        read("score", "--artefact", str(tmp_path), *IN, *OUT)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("sklearn.svm.LinearSVX", "has no such class; did you mean 'sklearn.svm.LinearSV[CR]'"),
        ("sklearn.svn.LinearSVC", "has no such class$"),
        ("LinearSVC", "is not scikit-learn's"),
    ],
)
def test_a_classifier_that_scikit_learn_lacks_is_refused(head, reason):
    with pytest.raises(ConfigError, match=reason):
        read("train", *IN, *OUT, "--head", head)


def test_a_job_that_only_checks_its_settings_loads_no_library(run_fresh):
    code = """
import sys
from jobs import embed, history, score, search, train
for job in (embed, history, score, search, train):
    for arguments in (["--help"], ["--poling", "cls"], ["--input", "tweets.csv"]):
        try:
            job.main(arguments)
        except SystemExit:  # after --help
            pass
libraries = {"numpy", "pandas", "pyarrow", "pyspark", "py4j", "sklearn", "torch", "transformers", "tqdm", "fsspec"}
print("loaded", *sorted(libraries & set(sys.modules)))
"""
    assert run_fresh(code).splitlines()[-1] == "loaded"
