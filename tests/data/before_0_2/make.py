"""Make the files that test_saved_before_0_2.py loads. Version 0.1.0 wrote them, and only its code can write them again:

    git worktree add /tmp/before_0_2 f6bff55    # the last commit of 0.1.0
    PYTHONPATH=/tmp/before_0_2 python tests/data/before_0_2/make.py

What is made takes the place of what lies beside this file. The work is done in a temporary folder, whose path becomes
__ROOT__ in the texts that hold it; the test puts a folder of its own there.
"""

import contextlib
import io
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import bert_spark

HERE = Path(__file__).resolve().parent
CHECKOUT = Path(bert_spark.__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]
os.environ |= {"HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "TOKENIZERS_PARALLELISM": "false"}
os.environ |= {"PYTHONPATH": str(CHECKOUT), "PYSPARK_PYTHON": sys.executable}
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

import joblib
import mlflow
import models
import pandas as pd
import yaml
from bert_spark.linear import FastLinearSVC
from pyspark.ml import Pipeline as SparkPipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import SQLTransformer, VectorAssembler
from pyspark.sql import SparkSession
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from transformers import BertConfig, BertModel, BertTokenizerFast

from bert_spark import BertEmbedder, BertTransformer, EncoderConfig, SparkEncoder, TextCleaner, load_artefact
from bert_spark.versions import VERSION
from jobs import embed, history, score, search, train

PLACEHOLDER = "__ROOT__"
WHO = ["my cat", "this day", "the tweet", "a word from you", "one user"]
WHAT = {
    "joy": ["is so good", "makes me happy", "is to love", "was the best of all"],
    "sadness": ["is so sad", "makes me hate it", "was not good", "is no love for me"],
    "neutral": ["is on the list", "was at work", "has two words", "is from monday"],
}
TEXTS = [
    "so happy today",
    "i hate this",
    "hello world",
    "my cat is not on the list",
    "love from two users",
    "no good word at work",
    "",
    "http://t.co/x @nicolas the best tweet of this monday!",
    "日本 and a text that is very long" + " and so on" * 20,
    "one sad day",
]
DAYS = {"2026-11-21": 3, "2026-11-22": 5, "2026-11-23": 4, "2026-11-24": 6, "2026-11-25": 3}
REFUSED, PUBLISHED, AUDITED, STAGED, NEXT = DAYS
FILES = {"a": 4, "b": 5, "c": 3}  # the test brings the last
# Dies when its rows are staged and nobody has looked at them; tests/kill_app.py can die after that look.
UNSEEN = """
import os, signal, sys
from bert_spark import staging
from jobs import score
staging.audit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
score.main(sys.argv[1:])
"""


def ran(job, *options, code=0):
    """Run a job; return what it prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        found = job.main([str(option) for option in options])
    if found != code:
        raise RuntimeError(f"{job.__name__} {options} ended with {found}")
    return told.getvalue()


def keep(folder, **facts):
    """Write what the test expects."""
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    Path(folder, "expected.json").write_text(f"{text}\n", encoding="utf-8")


def numbers(rows):
    """Return numbers with 9 digits: as much as a float32 holds."""
    return [[float(f"{value:.9g}") for value in row] for row in rows]


def model():
    """The tiny BERT of tests/conftest.py. What names it "model" is loaded where this folder lies."""
    models.wordpiece(BertTokenizerFast, Path("model"))
    models.save(models.tiny(BertConfig, BertModel), Path("model"))


def tweets():
    """60 made-up texts of 3 classes."""
    rows = [(f"{who} {what}", label) for label, endings in WHAT.items() for what in endings for who in WHO]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv("tweets.csv", index=False)


def artefact(folder, *options):
    """What jobs/train.py writes, and the values that it gives."""
    base = ["--input", "tweets.csv", "--model", "model", "--no-baseline", "--output", f"{folder}/artefact"]
    ran(train, *base, *options)
    loaded = load_artefact(f"{folder}/artefact")
    facts = {"digest": loaded.digest, "fingerprint": loaded.fingerprint, "probabilities": loaded.gives_probabilities}
    labels = loaded.pipeline.predict(TEXTS).tolist()
    facts |= {"classes": loaded.labels.tolist(), "texts": TEXTS, "labels": labels}
    keep(folder, **facts, values=numbers(loaded.decision(TEXTS)))


def mlflow_model():
    """What jobs/train.py --mlflow logs: the model's folder, without the names of run and machine."""
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    ran(train, "--input", "tweets.csv", "--model", "model", "--no-baseline", "--output", "logged", "--mlflow")
    (logged,) = mlflow.search_logged_models(output_format="list")
    shutil.copytree(mlflow.artifacts.download_artifacts(logged.model_uri), "mlflow/model")
    said = yaml.safe_load(Path("mlflow/model/MLmodel").read_text())
    said = {name: value for name, value in said.items() if name not in ("run_id", "model_id", "model_uuid")}
    Path("mlflow/model/MLmodel").write_text(yaml.safe_dump(said | {"artifact_path": "model"}))
    found = mlflow.pyfunc.load_model("mlflow/model").predict(pd.DataFrame({"text": TEXTS}))
    keep("mlflow", texts=TEXTS, labels=found["label"].tolist(), margins=numbers([found["margin"]])[0])


def pickles():
    """What people keep themselves, by pickle and by joblib. The model is in it by its path alone."""
    Path("pickles").mkdir()
    rows = pd.read_csv("tweets.csv")
    values = {}
    for name, head in {"linear_svc": LinearSVC(random_state=0), "fast_linear_svc": FastLinearSVC()}.items():
        pipeline = Pipeline([("bert", BertTransformer(model="model")), ("svc", head)])
        pipeline.fit(rows["text"].tolist(), rows["label"].tolist())
        Path(f"pickles/{name}.pickle").write_bytes(pickle.dumps(pipeline))
        joblib.dump(pipeline, f"pickles/{name}.joblib")
        values[name] = numbers(pipeline.decision_function(TEXTS))
    parts = {"config": EncoderConfig(model="model", max_length=12), "cleaner": TextCleaner("tweets")}
    parts["elsewhere"] = BertTransformer(model="model", encoder=SparkEncoder(partitions=2))
    Path("pickles/parts.pickle").write_bytes(pickle.dumps(parts))
    cleaned = parts["cleaner"].transform(TEXTS)
    keep("pickles", classes=pipeline.classes_.tolist(), texts=TEXTS, values=values, cleaned=cleaned)


def remembered():
    """The vectors that BertTransformer(memory=...) keeps."""
    vectors = BertTransformer(model="model", memory="remembered").fit_transform(TEXTS)
    keep("remembered", texts=TEXTS, vectors=numbers(vectors))


def spark_ml(spark):
    """A BertEmbedder, a Pipeline of pyspark.ml that begins with it, and what that learnt."""
    texts = [(n, text, float(n % 2)) for n, text in enumerate(TEXTS)]
    table = spark.createDataFrame(texts, "id int, text string, label double")
    names = {"inputCol": "text", "outputCol": "vector", "errorCol": "reason"}
    embedder = BertEmbedder(**names, model=f"{Path.cwd()}/model", maxLength=12, pooling="mean")
    first = SQLTransformer(statement="SELECT *, vector[0] AS v0, vector[1] AS v1, vector[2] AS v2 FROM __THIS__")
    assembler = VectorAssembler(inputCols=["v0", "v1", "v2"], outputCol="features")
    pipeline = SparkPipeline(stages=[embedder, first, assembler, LogisticRegression(maxIter=5)])
    fitted = pipeline.fit(table)
    for name, made in {"embedder": embedder, "pipeline": pipeline, "fitted": fitted}.items():
        made.write().save(f"{Path.cwd()}/spark_ml/{name}")
    rows = fitted.transform(table).orderBy("id").collect()
    vectors, probabilities = ([row[name] for row in rows] for name in ("vector", "probability"))
    predictions = [row.prediction for row in rows]
    facts = {"texts": TEXTS, "vectors": numbers(vectors), "probabilities": numbers(probabilities)}
    keep("spark_ml", uid=embedder.uid, **facts, predictions=predictions)


def vectors():
    """What jobs/embed.py writes as Parquet, and the settings that jobs/search.py finds with it."""
    Path("embeddings").mkdir()
    ran(embed, "--input", "tweets.csv", "--model", "model", "--output", "embeddings/vectors")
    options = ["--embeddings", "embeddings/vectors", "--c", "0.01,1", "--poolings", "cls", "--output", "found"]
    ran(search, *options, "--class-weights", "none,balanced", "--folds", "2")
    shutil.copy("found/best.toml", "embeddings/best.toml")
    fingerprint = load_artefact("bert/artefact").fingerprint
    ran(train, "--embeddings", "embeddings/vectors", "--no-baseline", "--output", "from_vectors")
    labels = load_artefact("from_vectors").pipeline.predict(TEXTS).tolist()
    keep("embeddings", fingerprint=fingerprint, texts=TEXTS, labels=labels)


def lines(name, rows, missing=0):
    """Return rows as lines of json: a key, and a text that no other row has; the first ones have none."""
    texts = [f"{WHO[n % len(WHO)]} {WHAT[list(WHAT)[n % 3]][n % 4]} {n} of {name}" for n in range(rows)]
    found = [{"key": f"{name}-{n}", "text": None if n < missing else text} for n, text in enumerate(texts)]
    return "".join(f"{json.dumps(row)}\n" for row in found)


def labels_in(spark, folder, name):
    """Return what an output holds: partition -> key -> label."""
    found = {}
    for row in spark.read.parquet(str(folder)).select(name, "key", "label").orderBy("key").collect():
        found.setdefault(str(row[0]), {})[row.key] = row.label
    return found


def killed(command):
    """Run a process that kills itself."""
    done = subprocess.run([sys.executable, *map(str, command)], stderr=subprocess.PIPE, check=False)
    if done.returncode != -signal.SIGKILL:
        raise RuntimeError(done.stderr.decode()[-3000:])


def days(spark):
    """Scheduled runs: one day published, one refused, two killed: before and after the audit of their rows."""
    place = Path.cwd() / "days"
    (place / "tweets").mkdir(parents=True)
    for day, rows in DAYS.items():
        (place / "tweets" / f"{day}.json").write_text(lines(day, rows, missing=2 * (day == REFUSED)))
    base = [
        "--artefact",
        f"{Path.cwd()}/bert/artefact",
        "--format",
        "json",
        "--input",
        f"{place}/tweets/{{run_date}}.json",
    ]
    mine = [*base, "--output", f"{place}/scores", "--run-date"]
    ran(score, *mine, PUBLISHED)
    ran(score, *mine, REFUSED, code=4)
    ran(score, *mine, "2026-11-20")  # nothing to do
    told = ran(history, "--output", f"{place}/scores")
    killed([CHECKOUT / "tests" / "kill_app.py", "between audit and publish", *mine, AUDITED])
    staging = place / "_staging" / "scores"
    aside = staging.rename(place / "aside")  # the next run would publish it
    killed(["-c", UNSEEN, *mine, STAGED])
    shutil.copytree(aside, staging, dirs_exist_ok=True)
    shutil.rmtree(aside)
    ran(score, *base, "--output", f"{Path.cwd()}/quiet/scores", "--from", PUBLISHED, "--to", NEXT)
    keep(place, labels=labels_in(spark, "quiet/scores", "run_date"), history=told)


def increments(spark):
    """An incremental run that has read two files, one a micro-batch."""
    place = Path.cwd() / "increments"
    (place / "tweets").mkdir(parents=True)
    for name in ("a", "b"):
        (place / "tweets" / f"{name}.json").write_text(lines(name, FILES[name]))
    mine = ["--artefact", f"{Path.cwd()}/bert/artefact", "--format", "json", "--input", f"{place}/tweets"]
    mine += ["--output", f"{place}/scores", "--incremental", "--checkpoint", f"{place}/seen", "--max-files", "1"]
    ran(score, *mine)
    now = shutil.copytree(place, Path.cwd() / "now")
    (place / "tweets" / "c.json").write_text(lines("c", FILES["c"]))
    ran(score, *mine)
    labels = labels_in(spark, place / "scores", "batch")
    shutil.rmtree(place)
    now.rename(place)
    (place / "c.json").write_text(lines("c", FILES["c"]))
    keep(place, labels=labels)


def forget(root):
    """Put the placeholder for the folder's path, and a made-up machine into the locks of killed runs."""
    for path in [path for path in root.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        if path.parent.name == "_locks":
            told = {"host": "a-machine", "space": "another machine", "pid": 1, "began": "1"}
            data = json.dumps(json.loads(data) | told).encode()
        data = data.replace(str(root).encode(), PLACEHOLDER.encode())
        if data == path.read_bytes():
            continue
        data.decode("utf-8")  # a length that changes would break anything but a text
        path.write_bytes(data)
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
    for path in [path for path in root.rglob("*") if path.is_file()]:
        named = [name for name in (str(root), socket.gethostname()) if name.encode() in path.read_bytes()]
        if named:
            raise RuntimeError(f"{path} names {named}")


def main():
    if VERSION != "0.1.0":
        raise SystemExit(f"{CHECKOUT} is version {VERSION}; only 0.1.0 makes these files")
    root = Path(tempfile.mkdtemp(prefix="before_0_2-"))
    os.chdir(root)  # before Spark starts: its workers look for ./model there
    model()
    tweets()
    quiet = {"spark.ui.enabled": "false", "spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"}
    builder = SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", "2")
    spark = builder.config(map=quiet).getOrCreate()
    artefact("bert", "--bundle")
    artefact("hybrid", "--features", "bert+tfidf", "--calibrate", "sigmoid", "--clean", "tweets", "--bundle")
    mlflow_model()
    pickles()
    remembered()
    vectors()
    spark_ml(spark)
    days(spark)
    increments(spark)
    spark.stop()
    kept = [
        "model",
        "bert",
        "hybrid",
        "mlflow",
        "pickles",
        "remembered",
        "embeddings",
        "spark_ml",
        "days",
        "increments",
    ]
    for path in [path for path in root.iterdir() if path.name not in [*kept, "tweets.csv"]]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    forget(root)
    for path in [path for path in HERE.iterdir() if path.name != "make.py"]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(root, HERE, dirs_exist_ok=True)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
