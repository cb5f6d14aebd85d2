"""A module imports only from lower layers, and importing the package loads nothing heavy. ARCHITECTURE.md tells why."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The truth about the layers: an arrow goes from a module to one with a smaller number.
LAYERS = {
    "errors": 0,
    "kernels": 0,
    "arrays": 1,
    "windows": 1,
    "text": 1,
    "pooling": 1,
    "checkpoint": 1,
    "room": 1,
    "remembered": 1,
    "versions": 1,
    "trusted": 1,
    "formats": 1,
    "linear": 1,
    "lastlayer": 1,
    "precision": 1,
    "config": 2,
    "gpu": 2,
    "metrics": 2,
    "model": 3,
    "tokens": 3,
    "engines": 3,
    "batches": 3,
    "budget": 3,
    "jobconf": 3,
    "scheduleconf": 3,
    "bundle": 4,
    "encoder": 4,
    "cache": 5,
    "given": 5,
    "transformer": 6,
    "fitted": 7,
    "columns": 7,
    "pipelines": 7,
    "artefact": 8,
    "training": 8,
    "charts": 8,
    "report": 9,
    "searching": 9,
    "tracking": 9,
    "udf": 9,
    "shipping": 2,
    "frames": 10,
    "collect": 10,
    "spark_encoder": 11,
    "sources": 8,
    "runs": 9,
    "session": 10,
    "cli": 11,
    "widgets": 12,
    "spread": 8,
    "sinks": 8,
    "files": 1,
    "counts": 8,
    "limits": 4,
    "records": 2,
    "lock": 2,
    "summaries": 11,
    "progress": 11,
    "reuse": 8,
    "estimate": 13,
    "staging": 12,
    "newfiles": 11,
    "arrivals": 12,
    "tasks": 12,
    "days": 12,
    "daily": 13,
    "incremental": 13,
    "deliver": 14,
    "labelled": 12,
    "examples": 13,
    "probe": 10,
    "ml": 11,
    "preflight": 11,
}
JOBS = 15
NOTEBOOK = 16  # it calls the jobs; a script: to import it is to run it


def imports_of(source):
    """Return the bert_spark and jobs modules that `source` imports anywhere but under TYPE_CHECKING, and the lines."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, from bert_spark..."
            package_itself = node.module in ("bert_spark", "jobs")
            names = [f"{node.module}.{alias.name}" for alias in node.names] if package_itself else [node.module]
        else:
            names = []
        found.update((name, node.lineno) for name in names if name.split(".")[0] in ("bert_spark", "jobs"))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def layer_of(module):
    """Return the layer of a dotted module name."""
    package, _, name = module.replace("bert_spark.jobs", "jobs").partition(".")  # the wheel's name of the jobs
    name = name.split(".")[0]
    if package == "jobs":
        return NOTEBOOK if name == "notebook" else JOBS
    assert name, "import the module, not the package bert_spark: its lazy names hide which way the arrow points"
    assert name in LAYERS, f"module {name!r} has no layer: give it a number in tests/test_layering.py"
    return LAYERS[name]


def upward(module, source):
    """Return the imports of `module` that do not go down, as sentences."""
    own = layer_of(module)
    return [
        f"{module} (layer {own}), line {line}: imports {name} (layer {layer_of(name)})"
        for name, line in sorted(imports_of(source))
        if layer_of(name) >= own
    ]


PACKAGE_FILES = sorted((ROOT / "bert_spark").glob("**/*.py"))
JOB_FILES = sorted((ROOT / "jobs").glob("**/*.py"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in [*PACKAGE_FILES, *JOB_FILES]]


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__init__")])
def test_arrows_point_down(module):
    source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert upward(module, source) == []


def test_the_package_itself_imports_none_of_its_modules():
    assert imports_of((ROOT / "bert_spark" / "__init__.py").read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from bert_spark.encoder import BertEncoder", 1),
        ("import bert_spark.encoder", 1),
        ("from bert_spark import encoder", 1),
        ("def f():\n    from bert_spark.encoder import BertEncoder", 1),
        ("if TYPE_CHECKING:\n    from bert_spark.encoder import BertEncoder", 0),
        ("if typing.TYPE_CHECKING:\n    pass\nelse:\n    import bert_spark.encoder", 1),
        ("from bert_spark.errors import ConfigError", 0),
        ("from bert_spark.config import EncoderConfig", 1),  # its own layer is not below it
        ("import jobs.embed", 1),
    ],
)
def test_an_upward_arrow_is_seen_wherever_it_stands(source, found):
    assert len(upward("bert_spark.gpu", source)) == found


def test_a_module_without_a_layer_is_named():
    with pytest.raises(AssertionError, match="module 'helpers' has no layer: give it a number"):
        upward("bert_spark.helpers", "")


def test_importing_the_package_loads_nothing_heavy(run_fresh):
    code = "import bert_spark, sys; print(*sorted({'torch', 'pyspark', 'transformers', 'sklearn'} & set(sys.modules)))"
    assert run_fresh(code) == ""


def test_the_public_names_are_there(run_fresh):
    code = "import bert_spark; print(*[name for name in bert_spark.__all__ if not callable(getattr(bert_spark, name))])"
    assert run_fresh(code) == ""


def test_scikit_learn_face_works_where_spark_is_not_installed(run_fresh, tiny_bert):
    code = f"""
import sys
sys.modules["pyspark"] = None  # any import of it now fails
from bert_spark.transformer import BertTransformer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
model = make_pipeline(BertTransformer(model={str(tiny_bert)!r}), LinearSVC())
print(*model.fit(["happy", "sad"] * 3, ["+", "-"] * 3).predict(["happy", "sad"]))
"""
    assert run_fresh(code) == "+ -"


def test_gpu_questions_are_answered_where_spark_is_not_installed(run_fresh):
    code = """
import sys
sys.modules["pyspark"] = None
from bert_spark.gpu import task_addresses, task_cpus
print(task_addresses(), task_cpus())
"""
    assert run_fresh(code) == "None None"


def test_importing_every_module_leaves_cuda_alone(run_fresh):
    """PySpark's daemon forks its workers: CUDA touched before the fork can't be used after it."""
    names = [name.removesuffix(".__init__") for name in MODULES if name != "jobs.notebook"]
    code = f"""
import importlib, torch
touched = []
torch.cuda._lazy_init = lambda: touched.append("init")
for name in {names!r}:
    importlib.import_module(name)
print(len(touched), torch.cuda.is_initialized())
"""
    assert run_fresh(code) == "0 False"


# What Spark Connect has no counterpart of, and the modules that use it where a session is a classic one.
CLASSIC_ONLY = {
    "probe.py": {"sparkContext", "_jsc"},
    "session.py": {"sparkContext", "_sc", "_jsc"},  # is a classic session's JVM still there
    "progress.py": {"sparkContext"},  # Connect has progress handlers in its place
}
FORBIDDEN = {"sparkContext", "SparkContext", "rdd", "broadcast", "_jvm", "_jdf", "_jsc", "_jsparkSession", "_sc"}


SOURCES = sorted([*(ROOT / "bert_spark").glob("*.py"), *(ROOT / "jobs").glob("*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_that_connect_lacks_is_used(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names & FORBIDDEN == CLASSIC_ONLY.get(path.name, set())
