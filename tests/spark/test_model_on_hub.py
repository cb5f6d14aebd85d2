"""A name on the hub is resolved once, on the driver: workers load that commit, also if the branch moves meanwhile."""

import json
import shutil
import sys

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from tests.support.fake_hub import COMMIT, hub
from tests.support.tiny_models import negate_words

NAME = "someone/tiny-bert"
CODE = f"""
import json
from pyspark.sql import SparkSession
from bert_spark import EncoderConfig, with_embedding
from bert_spark.tables.provenance import ENCODER_KEY, FINGERPRINT_KEY
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
tweets = spark.createDataFrame([("so happy",)], "text string")
embedded = tweets.transform(with_embedding(EncoderConfig(model={NAME!r}, device="cpu")))
metadata = embedded.schema["embedding"].metadata
revision = json.loads(metadata[ENCODER_KEY])["revision"]
print(json.dumps([revision, metadata[FINGERPRINT_KEY], list(embedded.first().embedding)]))
spark.stop()
"""


def test_workers_load_the_commit_that_the_driver_resolved(tiny_bert, tmp_path, run_forked):
    moved = negate_words(shutil.copytree(tiny_bert, tmp_path / "moved"))
    with hub(tiny_bert, NAME, then=moved) as (address, _):
        home = str(tmp_path / "home")
        printed = run_forked(CODE, HF_ENDPOINT=address, HF_HUB_OFFLINE="0", HF_HOME=home, PYSPARK_PYTHON=sys.executable)
    revision, fingerprint, vector = json.loads(printed)
    first, other = (BertEncoder.from_config(EncoderConfig(model=str(folder))) for folder in (tiny_bert, moved))
    assert (revision, fingerprint) == (COMMIT, first.fingerprint)
    np.testing.assert_allclose(vector, first.encode(["so happy"])[0], rtol=0, atol=1e-5)
    assert not np.allclose(vector, other.encode(["so happy"])[0], atol=0.1)
