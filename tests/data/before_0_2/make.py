"""Make the files that test_saved_before_0_2.py loads. Only version 0.1.0 can make them, since it is its files they are.

    git worktree add /tmp/before_0_2 f6bff55    # the last commit of 0.1.0
    HF_HUB_OFFLINE=1 PYTHONPATH=/tmp/before_0_2 python tests/data/before_0_2/make.py

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
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import mlflow
import pandas as pd
import yaml
from pyspark.ml import Pipeline as SparkPipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import SQLTransformer, VectorAssembler
from pyspark.sql import SparkSession
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from transformers import BertConfig, BertModel, BertTokenizerFast

import bert_spark
from bert_spark import BertEmbedder, BertTransformer, EncoderConfig, SparkEncoder, TextCleaner, load_artefact

HERE = Path(__file__).resolve().parent
CHECKOUT = Path(bert_spark.__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]
os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "TOKENIZERS_PARALLELISM": "false"}
os.environ |= {"PYTHONPATH": str(CHECKOUT), "PYSPARK_PYTHON": sys.executable}
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

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
KEPT = "model tweets.csv bert hybrid mlflow pickles remembered embeddings spark_ml days increments".split()
# Dies when its rows are staged and nobody has looked at them; tests/kill_app.py can die after that look.
UNSEEN = """
import os, signal, sys
from bert_spark import staging
from jobs import score
staging.audit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
score.main(sys.argv[1:])
"""


def ran(job, *options, code=0):
    """Run a job by its name; return what it prints."""
    module = __import__("jobs", fromlist=[job])
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        found = getattr(module, job).main([str(option) for option in options])
    if found != code:
        raise RuntimeError(f"{job} {options} ended with {found}")
    return told.getvalue()


def trained(folder, *options):
    """Train on the tweets, or on what the options say; return the artefact."""
    source = [] if "--embeddings" in options else ["--input", "tweets.csv", "--model", "model"]
    ran("train", *source, *options, "--no-baseline", "--output", folder)
    return load_artefact(folder)


def keep(folder, **facts):
    """Write what the test expects."""
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    Path(folder, "expected.json").write_text(f"{text}\n", encoding="utf-8")


def numbers(rows):
    """Return numbers with 9 digits: as much as a float32 holds."""
    return [[float(f"{value:.9g}") for value in row] for row in rows]


def model():
    """Save the tiny BERT of tests/conftest.py as ./model: what names it so is loaded where this folder lies."""
    import models

    models.wordpiece(BertTokenizerFast, Path("model"))
    models.save(models.tiny(BertConfig, BertModel), Path("model"))


def tweets():
    """Write 60 made-up texts of 3 classes."""
    rows = [(f"{who} {what}", label) for label, endings in WHAT.items() for what in endings for who in WHO]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv("tweets.csv", index=False)


def artefact(folder, *options):
    """Train, and keep the values of some texts beside what jobs/train.py has written."""
    made = trained(f"{folder}/artefact", *options)
    facts = {"digest": made.digest, "fingerprint": made.fingerprint, "probabilities": made.gives_probabilities}
    facts |= {"classes": made.labels.tolist(), "texts": TEXTS, "labels": made.pipeline.predict(TEXTS).tolist()}
    keep(folder, **facts, values=numbers(made.decision(TEXTS)))


def mlflow_model():
    """Train with --mlflow, and keep the folder of the model, without the names of its run."""
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    trained("logged", "--mlflow")
    (logged,) = mlflow.search_logged_models(output_format="list")
    shutil.copytree(mlflow.artifacts.download_artifacts(logged.model_uri), "mlflow/model")
    said = yaml.safe_load(Path("mlflow/model/MLmodel").read_text())
    said = {name: value for name, value in said.items() if name not in ("run_id", "model_id", "model_uuid")}
    Path("mlflow/model/MLmodel").write_text(yaml.safe_dump(said | {"artifact_path": "model"}))
    found = mlflow.pyfunc.load_model("mlflow/model").predict(pd.DataFrame({"text": TEXTS}))
    keep("mlflow", texts=TEXTS, labels=found["label"].tolist(), margins=numbers([found["margin"]])[0])


def pickles():
    """Keep fitted pipelines as people do, by pickle and by joblib: the model is in them by its path alone."""
    Path("pickles").mkdir()
    rows = pd.read_csv("tweets.csv")
    fast = type(load_artefact("bert/artefact").pipeline[-1])  # FastLinearSVC
    facts = {}
    for name, head in {"linear_svc": LinearSVC(random_state=0), "fast_linear_svc": fast(random_state=0)}.items():
        pipeline = Pipeline([("bert", BertTransformer(model="model")), ("svc", head)])
        pipeline.fit(rows["text"].tolist(), rows["label"].tolist())
        Path(f"pickles/{name}.pickle").write_bytes(pickle.dumps(pipeline))
        joblib.dump(pipeline, f"pickles/{name}.joblib")
        labels, values = pipeline.predict(TEXTS).tolist(), numbers(pipeline.decision_function(TEXTS))
        facts[name] = {"labels": labels, "values": values}
    parts = {"config": EncoderConfig(model="model", max_length=12), "cleaner": TextCleaner("tweets")}
    parts["elsewhere"] = BertTransformer(model="model", encoder=SparkEncoder(partitions=2))
    Path("pickles/parts.pickle").write_bytes(pickle.dumps(parts))
    keep("pickles", texts=TEXTS, **facts, cleaned=parts["cleaner"].transform(TEXTS))


def remembered():
    """Keep the vectors that BertTransformer(memory=...) remembers."""
    vectors = BertTransformer(model="model", memory="remembered").fit_transform(TEXTS)
    keep("remembered", texts=TEXTS, vectors=numbers(vectors))


def spark_ml(spark):
    """Save a BertEmbedder, a Pipeline of pyspark.ml that begins with it, and what that has learnt."""
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
    facts = {"texts": TEXTS, "vectors": numbers(vectors), "probabilities": numbers(probabilities)}
    keep("spark_ml", uid=embedder.uid, **facts)


def embeddings():
    """Embed the tweets into Parquet, search settings with the vectors, and train on them."""
    Path("embeddings").mkdir()
    ran("embed", "--input", "tweets.csv", "--model", "model", "--output", "embeddings/vectors")
    searched = ["--embeddings", "embeddings/vectors", "--model", "model", "--output", "found", "--poolings", "cls"]
    ran("search", *searched, "--c", "0.01,1", "--class-weights", "none,balanced", "--folds", "2")
    shutil.copy("found/best.toml", "embeddings/best.toml")
    vectors = ["--embeddings", "embeddings/vectors"]
    plain, best = trained("plain", *vectors), trained("best", *vectors, "--config", "embeddings/best.toml")
    labels = {"default": plain.pipeline.predict(TEXTS).tolist(), "best": best.pipeline.predict(TEXTS).tolist()}
    keep("embeddings", fingerprint=plain.fingerprint, texts=TEXTS, labels=labels)


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


def killed(*command):
    """Run a process that kills itself."""
    done = subprocess.run([sys.executable, *command], stderr=subprocess.PIPE, check=False)
    if done.returncode != -signal.SIGKILL:
        raise RuntimeError(done.stderr.decode()[-3000:])


def days(spark):
    """Run by days: one is published, one refused, two are killed, after and before the audit of their rows."""
    place = Path.cwd() / "days"
    (place / "tweets").mkdir(parents=True)
    for day, rows in DAYS.items():
        (place / "tweets" / f"{day}.json").write_text(lines(day, rows, missing=2 if day == REFUSED else 0))
    source = ["--format", "json", "--input", f"{place}/tweets/{{run_date}}.json"]
    base = ["--artefact", f"{Path.cwd()}/bert/artefact", *source, "--output"]
    mine = [*base, f"{place}/scores", "--run-date"]
    ran("score", *mine, PUBLISHED)
    ran("score", *mine, REFUSED, code=4)
    ran("score", *mine, "2026-11-20")  # nothing to do
    told = ran("history", "--output", f"{place}/scores")
    killed(str(CHECKOUT / "tests" / "kill_app.py"), "between audit and publish", *mine, AUDITED)
    staging = place / "_staging" / "scores"
    aside = staging.rename(place / "aside")  # the next run would publish it
    killed("-c", UNSEEN, *mine, STAGED)
    shutil.copytree(aside, staging, dirs_exist_ok=True)
    shutil.rmtree(aside)
    ran("score", *base, f"{Path.cwd()}/quiet/scores", "--from", PUBLISHED, "--to", NEXT)
    keep(place, labels=labels_in(spark, "quiet/scores", "run_date"), history=told.splitlines())


def increments(spark):
    """Read two files, one a micro-batch; a run over a third one says what is to come of it."""
    place = Path.cwd() / "increments"
    (place / "tweets").mkdir(parents=True)
    for name in ("a", "b"):
        (place / "tweets" / f"{name}.json").write_text(lines(name, FILES[name]))
    source = ["--format", "json", "--input", f"{place}/tweets", "--incremental", "--checkpoint", f"{place}/seen"]
    mine = ["--artefact", f"{Path.cwd()}/bert/artefact", *source, "--max-files", "1", "--output", f"{place}/scores"]
    ran("score", *mine)
    now = shutil.copytree(place, Path.cwd() / "now")
    (place / "tweets" / "c.json").write_text(lines("c", FILES["c"]))
    ran("score", *mine)
    labels = labels_in(spark, place / "scores", "batch")
    shutil.rmtree(place)
    now.rename(place)
    (place / "c.json").write_text(lines("c", FILES["c"]))
    keep(place, labels=labels)


def forget(root):
    """Put the placeholder for the folder's path, and a made-up machine into the locks of killed runs."""
    for path in [path for path in root.rglob("*") if path.is_file() and path.suffix != ".crc"]:
        data = before = path.read_bytes()
        if path.parent.name == "_locks":
            machine = {"host": "a machine", "space": "another machine", "pid": 1, "began": "1", "beat": 0.0}
            data = json.dumps(json.loads(data) | machine).encode()
        data = data.replace(str(root).encode(), b"__ROOT__")
        if data != before:
            data.decode("utf-8")  # anything but a text would break
            path.write_bytes(data)
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def move(root):
    """Put what is to be kept beside this file."""
    for path in [path for path in root.iterdir() if path.name not in KEPT]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    forget(root)
    for path in [path for path in HERE.iterdir() if path.name != "make.py"]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(root, HERE, dirs_exist_ok=True)
    shutil.rmtree(root)


def main():
    """Make all."""
    root = Path(tempfile.mkdtemp(prefix="before_0_2-"))
    os.chdir(root)  # before Spark starts: its workers look for ./model there
    model()
    tweets()
    quiet = {"spark.ui.enabled": "false", "spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"}
    builder = SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", "2")
    spark = builder.config(map=quiet).getOrCreate()
    train = __import__("jobs", fromlist=["train"]).train
    train.render_report = lambda *_: "<!doctype html><title>report</title>\n"  # else 45 kB of pictures each
    artefact("bert", "--bundle")
    version = load_artefact("bert/artefact").metadata["versions"]["bert-spark"]
    if version != "0.1.0":
        raise SystemExit(f"{CHECKOUT} is version {version}; these files are 0.1.0's")
    artefact("hybrid", "--features", "bert+tfidf", "--calibrate", "sigmoid", "--clean", "tweets", "--bundle")
    mlflow_model()
    pickles()
    remembered()
    embeddings()
    spark_ml(spark)
    days(spark)
    increments(spark)
    spark.stop()
    move(root)


if __name__ == "__main__":
    main()
