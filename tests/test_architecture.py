"""What an import of the package loads, what works without Spark, and what works on Spark Connect.

The import-linter contracts in pyproject.toml check which package may import which.
"""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("bert_spark", "jobs")
    for path in sorted((ROOT / folder).glob("**/*.py"))
]
WITHOUT_SPARK = ("encoding", "estimators", "artefact", "training")


def test_every_package_is_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "bert_spark").glob("**/__init__.py")}
    assert set(settings["packages"]) == folders | {"bert_spark.jobs"}


@pytest.mark.parametrize("package", WITHOUT_SPARK)
def test_package_without_spark_imports_without_pyspark(run_forked, package):
    names = [name for name in MODULES if name.startswith(f"bert_spark.{package}")]
    assert len(names) > 3
    code = f"""
import importlib, sys
sys.modules["pyspark"] = None  # any import of it now fails
for name in {names!r}:
    importlib.import_module(name)
print("done")
"""
    assert run_forked(code) == "done"


def test_importing_the_package_loads_no_heavy_module(run_fresh):
    code = "import bert_spark, sys; print(*sorted({'torch', 'pyspark', 'transformers', 'sklearn'} & set(sys.modules)))"
    assert run_fresh(code) == ""


def test_importing_the_package_imports_none_of_its_modules(run_fresh):
    code = "import bert_spark, sys; print(*[name for name in sys.modules if name.startswith('bert_spark.')])"
    assert run_fresh(code) == ""


def test_every_public_name_exists(run_forked):
    code = "import bert_spark; print(*[name for name in bert_spark.__all__ if not callable(getattr(bert_spark, name))])"
    assert run_forked(code) == ""


def test_bert_transformer_works_without_pyspark(run_forked, tiny_bert):
    code = f"""
import sys
sys.modules["pyspark"] = None  # any import of it now fails
from bert_spark import BertTransformer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
model = make_pipeline(BertTransformer(model={str(tiny_bert)!r}), LinearSVC())
print(*model.fit(["happy", "sad"] * 3, ["+", "-"] * 3).predict(["happy", "sad"]))
"""
    assert run_forked(code) == "+ -"


def test_task_gpus_and_cpus_are_none_without_pyspark(run_fresh):
    code = """
import sys
sys.modules["pyspark"] = None
from bert_spark.encoding.device import task_gpu_addresses
from bert_spark.encoding.threads import task_cpus
print(task_gpu_addresses(), task_cpus())
"""
    assert run_fresh(code) == "None None"


def test_importing_every_module_does_not_touch_cuda(run_forked):
    """PySpark's daemon forks its workers. CUDA that is initialised before a fork cannot be used after it."""
    names = [name for name in MODULES if name != "jobs.notebook"]  # a script: an import runs it
    code = f"""
import importlib, torch
touched = []
torch.cuda._lazy_init = lambda: touched.append("init")
for name in {names!r}:
    importlib.import_module(name)
print(len(touched), torch.cuda.is_initialized())
"""
    assert run_forked(code) == "0 False"


# The modules that may use what Spark Connect lacks. They use it on classic sessions only.
CLASSIC_ONLY = {
    "spark/executor_probe.py": {"sparkContext", "_jsc"},
    "spark/local_workers.py": {"sparkContext", "_jsc"},  # local sessions are classic ones
    "spark/session.py": {"_sc", "_jsc"},  # checks that the JVM of a classic session is alive
    "spark/package_shipping.py": {"sparkContext"},  # Spark 3.5 accepts a package on classic sessions only
    "tables/changed_files.py": {"broadcast"},  # the hint of a join, not the context's method
    "tables/row_numbers.py": {"broadcast"},  # the same
    "runs/progress_source.py": {"sparkContext", "_jsc"},  # Connect has progress handlers instead
}
FORBIDDEN = {"sparkContext", "SparkContext", "rdd", "broadcast", "_jvm", "_jdf", "_jsc", "_jsparkSession", "_sc"}
SOURCES = sorted([*(ROOT / "bert_spark").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_uses_nothing_that_spark_connect_lacks(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names & FORBIDDEN == CLASSIC_ONLY.get("/".join(path.relative_to(ROOT).parts[1:]), set())
