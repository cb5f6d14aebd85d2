"""Scheduled runs with several artefacts: their labels are counted and limited by name, and the output is theirs."""

import pytest

from bert_spark.errors import ConfigError
from bert_spark.runs.config import LimitsConfig
from bert_spark.runs.quality_limits import check_label_shift_known, with_label_shift
from bert_spark.tables.row_counts import nest_label_counts
from jobs import score
from tests.support.nightly_runs import DAYS, keys_of_day, train_artefact


@pytest.fixture(scope="module")
def other(tiny_bert, tmp_path_factory):
    """Return the folder of a second artefact of the same encoder."""
    folder = tmp_path_factory.mktemp("other") / "other"
    folder.mkdir()
    return train_artefact(tiny_bert, folder, sad_every=2)


def test_a_day_has_the_labels_of_all_artefacts_and_belongs_to_them_together(spark, nightly, other, capsys):
    nightly.write_day(DAYS[0], 6)
    base = ["--input", str(nightly.input), "--output", str(nightly.output), "--date-column", "day"]
    day = ["--run-date", DAYS[0], "--max-label-shift", "1"]
    both = ["--artefact", nightly.artefact, "--artefact", other]
    assert score.main([*both, *base, *day]) == 0
    first, second = sorted(("artefacts0", "other"))
    printed = capsys.readouterr().out
    (record,) = nightly.records(status="published")
    assert record["artefact"] == {first: nightly.artefact, second: other}
    for name, part in record["by_artefact"].items():
        assert sum(part["labels"].values()) == 6
        assert f"labels  {name}: " in printed
    assert record["label_shift"] == max(part["label_shift"] for part in record["by_artefact"].values())
    rows = spark.read.parquet(str(nightly.output))
    assert sorted(row.key for row in rows.collect()) == keys_of_day(DAYS[0], 6)
    turned = ["--artefact", other, "--artefact", nightly.artefact]
    assert score.main([*turned, *base, *day]) == 0
    assert score.main(["--artefact", other, *base, *day]) == 1


def test_labels_are_counted_by_artefact_and_the_largest_shift_is_limited():
    counts = {"rows_out": 4, "label=mood=joy": 4, "label=mood=sad": 0, "label=topic=a=b": 1, "label=topic=c": 3}
    nested = nest_label_counts(counts)
    assert nested["by_artefact"]["topic"]["labels"] == {"a=b": 1, "c": 3}
    assert nest_label_counts({"label==joy": 2}) == {"labels": {"joy": 2}}
    trained = {"mood": {"joy": 0.5, "sad": 0.5}, "topic": {"a=b": 0.25, "c": 0.75}}
    shifted = with_label_shift(nested, trained)
    assert {name: part["label_shift"] for name, part in shifted["by_artefact"].items()} == {"mood": 0.5, "topic": 0.0}
    assert shifted["label_shift"] == 0.5
    nested["by_artefact"]["topic"]["labels"] = {"a=b": 0, "c": 0}
    assert with_label_shift(nested, trained)["label_shift"] is None
    check_label_shift_known(LimitsConfig(max_label_shift=0.1), trained)
    with pytest.raises(ConfigError, match="needs the labels of the training rows"):
        check_label_shift_known(LimitsConfig(max_label_shift=0.1), trained | {"old": {}})


def test_truth_beside_several_artefacts_is_refused_before_spark(capsys):
    options = ["--artefact", "a", "--artefact", "b", "--input", "x", "--output", "y", "--truth", "label"]
    assert score.main(options) == 2
    assert score.main(["--artefact", "a", "--artefact", "a/", "--input", "x", "--output", "y"]) == 2
