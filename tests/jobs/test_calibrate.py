"""jobs/calibrate.py writes a copy of a model with which jobs/embed.py computes in 8-bit integers."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from bert_spark.encoding.model_files import RANGES_FILE
from bert_spark.encoding.precision import has_int8_products
from jobs import calibrate, embed
from tests.support.paths import ROOT

pytest.importorskip("openvino", reason="openvino missing: pip install 'bert-spark[openvino]'")
TWEETS = ["--input", str(ROOT / "conf" / "sample_tweets.csv"), "--text-column", "content"]
INT8 = ["--engine", "openvino", "--precision", "int8"]


def vectors_of(folder):
    table = pq.read_table(folder).sort_by("tweet_id")
    return np.array(table["embedding"].drop_null().to_pylist(), dtype=np.float32)


def test_a_model_is_calibrated_and_embeds(spark, tiny_bert, tmp_path, capfd, caplog):
    copy = str(tmp_path / "copy")
    options = [*TWEETS, "--model", str(tiny_bert), "--output", copy, "--texts", "200"]
    assert calibrate.main(options) == 0
    assert "with 200 texts. Use the copy with: --model" in capfd.readouterr().out
    first = (tmp_path / "copy" / RANGES_FILE).read_bytes()
    assert calibrate.main(options) == 2
    assert "already exists; set another folder" in caplog.text
    assert calibrate.main([*options, "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / RANGES_FILE).read_bytes() == first  # the same texts
    if not has_int8_products(torch.cpu.get_capabilities()):
        pytest.skip("the copy was not used: this processor has neither VNNI nor AMX")
    for name, model in (("exact", [str(tiny_bert)]), ("int8", [copy, *INT8])):
        assert embed.main([*TWEETS, "--model", *model, "--output", str(tmp_path / name)]) == 0
    exact, int8 = vectors_of(tmp_path / "exact"), vectors_of(tmp_path / "int8")
    cosine = (exact * int8).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(int8, axis=1)
    assert cosine.min() > 0.95
    assert cosine.mean() < 0.9999


def test_what_is_missing_is_said_before_the_work(spark, tiny_bert, tmp_path, caplog):
    (tmp_path / "few.txt").write_text("\n".join(f"text {n}" for n in range(99)), encoding="utf-8")
    options = ["--input", str(tmp_path / "few.txt"), "--model", str(tiny_bert), "--output", str(tmp_path / "copy")]
    assert calibrate.main(options) == 1
    assert "has 99 different texts; expected 100 or more" in caplog.text
    assert calibrate.main(TWEETS) == 2
    assert "--output" in caplog.text
    assert calibrate.main([*TWEETS, "--output", "s3://bucket/model"]) == 2
    assert "got 's3://bucket/model'; expected a local folder" in caplog.text
    assert calibrate.main([*TWEETS, "--output", str(tmp_path / "copy"), "--check"]) == 2
    assert "leave --check out" in caplog.text
    assert embed.main([*TWEETS, "--model", str(tiny_bert), *INT8, "--output", str(tmp_path / "vectors")]) == 2
    assert "is not calibrated; make a calibrated copy of a BERT or RoBERTa" in caplog.text
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "vectors").exists()
