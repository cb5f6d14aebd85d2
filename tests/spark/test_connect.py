"""Everything runs on Spark Connect, with a real server and a client process, except counting the executors."""

import contextlib
import json
import socket
import subprocess
import sys

import numpy as np
import pyspark
import pytest

from tests.support.standalone_cluster import ROOT, SPARK_HOME, environment, free_port, rows_of, until
from tests.support.timeouts import HANGS_AFTER_S

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(pyspark.__version__ < "4", reason="pip's Spark 3.5 has no Connect server: needs --packages"),
]
SAMPLE = ROOT / "conf" / "sample_tweets.csv"
ROWS = 518


def is_listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Start a Connect server; return a function that runs a Python program against it and returns its output."""
    folder = tmp_path_factory.mktemp("connect")
    (folder / "client").mkdir()
    port = free_port()
    settings = {
        "spark.master": "local[2]",
        "spark.driver.memory": "1g",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.sql.shuffle.partitions": 2,
        "spark.ui.enabled": "false",
    }
    flags = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    kind = "org.apache.spark.sql.connect.service.SparkConnectServer"
    command = [str(SPARK_HOME / "bin" / "spark-submit"), "--class", kind, *flags, "spark-internal"]
    variables = environment(HF_HUB_OFFLINE="1", PYSPARK_PYTHON=sys.executable, PYTHONPATH=str(ROOT))
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=variables)
    try:
        until(lambda: is_listening(port))

        def run(*arguments, code=0):
            variables = environment(SPARK_REMOTE=f"sc://127.0.0.1:{port}", HF_HUB_OFFLINE="1", PYTHONPATH=str(ROOT))
            command = [sys.executable, *map(str, arguments)]
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=folder / "client", env=variables, timeout=HANGS_AFTER_S
            )
            assert done.returncode == code, (done.stdout + done.stderr)[-5000:]
            return done.stdout + done.stderr

        yield run
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()


def test_embed_train_and_score_agree_on_connect(client, tiny_bert, tmp_path):
    source = ["--input", SAMPLE, "--text-column", "content"]
    name = "client_artefact"  # in the folder of the client: the server and its workers cannot read it
    train = ["--label-column", "sentiment", "--model", tiny_bert, "--output", name]
    client(ROOT / "jobs" / "embed.py", *source, "--model", tiny_bert, "--output", tmp_path / "vectors")
    client(ROOT / "jobs" / "train.py", *source, *train)
    score = ["--artefact", name, "--output", tmp_path / "scores", "--keep-embedding"]
    client(ROOT / "jobs" / "score.py", *source, *score)
    vectors = {row["tweet_id"]: row["embedding"] for row in rows_of(tmp_path / "vectors")}
    scores = {row["tweet_id"]: row for row in rows_of(tmp_path / "scores")}
    assert len(vectors) == len(scores) == ROWS
    good = [key for key, vector in vectors.items() if vector is not None]
    assert len(good) == ROWS - 2
    scored = np.array([scores[key]["embedding"] for key in good])
    np.testing.assert_allclose(scored, np.array([vectors[key] for key in good]), atol=1e-5)
    (record,) = (tmp_path / "_manifests").glob("embed-*.json")
    assert json.loads(record.read_text())["rows_out"] == ROWS


def test_check_runs_on_connect(client, tiny_bert, tmp_path):
    options = ["--input", SAMPLE, "--text-column", "content", "--model", tiny_bert, "--output", tmp_path / "out"]
    printed = client(ROOT / "jobs" / "embed.py", *options, "--check")
    assert "ok: nothing found" in printed
    assert not (tmp_path / "out").exists()


def test_incremental_and_daily_runs_publish_on_connect(client, tiny_bert, tmp_path):
    source, job = tmp_path / "tweets", ROOT / "jobs" / "embed.py"
    source.mkdir()
    base = ["--input", source, "--format", "csv", "--model", tiny_bert]
    new = [*base, "--output", tmp_path / "new", "--incremental", "--checkpoint", tmp_path / "seen"]
    for number in range(2):
        (source / f"{number}.csv").write_text("id,text\n" + "".join(f"{number}-{row},so happy\n" for row in range(5)))
        client(job, *new)
        client(job, *base, "--output", tmp_path / "daily", "--run-date", "2026-11-24")
    for name in ("new", "daily"):
        rows = rows_of(tmp_path / name)
        assert sorted(row["id"] for row in rows) == [f"{number}-{row}" for number in range(2) for row in range(5)]
        assert {row["error"] for row in rows} == {None}
    assert "embed: nothing to do" in client(job, *new)


def test_scikit_learn_dataframe_and_ml_interfaces_agree_on_connect(client, tiny_bert, tmp_path):
    program = tmp_path / "interfaces.py"
    program.write_text(f"""
import numpy as np
from pyspark.sql import SparkSession
from bert_spark import BertTransformer, SparkEncoder, EncoderConfig, with_embedding
from bert_spark import BertEmbedder
spark = SparkSession.builder.getOrCreate()
texts = ["hi", "so sad", "so happy", ""]
local = BertTransformer(model={str(tiny_bert)!r}).transform(texts)
on_spark = BertTransformer(model={str(tiny_bert)!r}, encoder=SparkEncoder()).transform(texts)
df = spark.createDataFrame(list(enumerate(texts)), "id int, text string")
sql = df.transform(with_embedding(EncoderConfig(model={str(tiny_bert)!r})))
ml = BertEmbedder(model={str(tiny_bert)!r}).transform(df)
found = [[row.embedding for row in table.orderBy("id").collect()] for table in (sql, ml)]
same = [bool(np.abs(local - vectors).max() < 1e-5) for vectors in (on_spark, *found)]
print(type(spark).__module__, *same)
""")
    assert "pyspark.sql.connect.session True True True" in client(program)
