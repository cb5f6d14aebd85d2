"""README.md and docs/: their code runs, their commands and options exist, and their links lead somewhere.

The page of options is made from the settings classes. The messages that a page quotes are the package's.
"""

import ast
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from bert_spark import BertTransformer, save_artefact
from bert_spark.cli.command_line import parse_job
from bert_spark.cli.job_sections import JOB_SECTIONS
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = [ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/benchmarks/README.md")]
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
LINES_AT_MOST = {"README.md": 150, "ARCHITECTURE.md": 120}

SPARK_OPTIONS = {
    *("--archives", "--conf", "--deploy-mode", "--driver-memory", "--executor-cores", "--executor-memory", "--files"),
    *("--jars", "--master", "--num-executors", "--packages", "--properties-file", "--py-files", "--supervise"),
}
EVERY_JOB = {"--check", "--config", "--help"}
OF_OTHER_TOOLS = {"--package-env", "--no-deps"}  # spark-submit.sh's own and pip's, as running text names them


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def load(path):
    """Import a file that is in no package: another `docs` may be installed."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_options = load(ROOT / "docs" / "make_options.py")


def options_of(job):
    """Return option -> whether it takes a value, of a job."""
    known = {"--check": False, "--config": True, "--help": False}
    for kind in JOB_SECTIONS[job].values():
        for spec, hint in make_options.settings(kind):
            flags = make_options.flags(spec, hint)
            known |= {flag: hint is not bool and flag not in flags[1:] for flag in flags}
    return known


OPTIONS = {job: options_of(job) for job in JOB_SECTIONS}

# ---- what a page holds


def prose_of(text):
    """Return the text without its fenced and indented code, line for line."""
    lines, fence = [], None
    for line in text.splitlines():
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
            lines.append("")
        else:
            lines.append("" if fence or line.startswith("    ") else line)
    return "\n".join(lines)


def python_blocks(page):
    """Return line and code of each fence marked as Python."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start()) + 1, block[1]) for block in found]


def inline_code(page):
    """Return what stands between backticks in running text and tables."""
    return re.findall(r"`([^`\n]+)`", prose_of(page.read_text(encoding="utf-8")))


PROGRAMS = "embed|train|score|search|history|inspect|calibrate"
STARTS = rf"\./spark-submit\.sh|(?<![\w./-])spark-submit|(?<![\w./-])bert-spark-(?:{PROGRAMS})"


def command_lines(page):
    """Return each command that starts a job, in code of any kind, as words; a line may go on after a backslash."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    prose = set(prose_of(text).splitlines())
    spans = [span for line in text.splitlines() if line in prose for span in re.findall(r"`([^`]+)`", line)]
    lines = [line for line in text.splitlines() if line not in prose] + spans
    found = [re.search(rf"(?:{STARTS}) .*", re.sub(r"\s#\s.*|\s(?:&&|\|\|?|>+|;)\s.*", "", line)) for line in lines]
    return [shlex.split(command[0].rstrip(")")) for command in found if command]


COMMANDS = [(name_of(page), " ".join(words), words) for page in PAGES for words in command_lines(page)]
BLOCKS = [(page, line, code) for page in PAGES for line, code in python_blocks(page)]

# ---- code


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Return a folder with what the pages' code finds there: the checkout's conf/, and an artefact."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "conf").symlink_to(ROOT / "conf")
    texts, labels = ["so happy today", "i miss you", "what a great day", "feeling sad"], ["joy", "sad", "joy", "sad"]
    save_artefact(
        folder / "artefact", Pipeline([("bert", BertTransformer()), ("head", LinearSVC())]).fit(texts, labels)
    )
    return folder


def test_there_is_code_to_run():
    assert len(BLOCKS) >= 2


@pytest.mark.packaged
@pytest.mark.parametrize(("page", "line", "code"), BLOCKS, ids=[f"{name_of(page)}:{line}" for page, line, _ in BLOCKS])
def test_code_runs(spark, workplace, page, line, code, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    tweets = spark.createDataFrame([(1, "so happy today"), (2, None)], "id int, content string")
    names = {"tweets": tweets, "spark": spark, "__name__": "documentation"}
    exec(compile("\n" * line + code, name_of(page), "exec"), names)
    if "embedded" in names:
        assert {row.id: row.error for row in names["embedded"].collect()} == {1: None, 2: "missing text"}


# ---- commands and options


def split_command(words):
    """Return the options before the job, the job's name, and the words after it; no name where no job is started."""
    if words[0].startswith("bert-spark-"):
        return [], words[0].removeprefix("bert-spark-"), words[1:]
    if words[1:3] == ["exec", "python"]:
        words = words[:1] + words[3:]
    place = next((number for number, word in enumerate(words) if word.endswith(".py")), None)
    if place is None or words[1] in ("tests", "exec", "--package-env"):
        return [], None, []
    assert (ROOT / words[place]).is_file(), f"there is no {words[place]}"
    return words[1:place], Path(words[place]).stem, words[place + 1 :]


def widgets_of_notebook():
    return set(re.findall(r'widgets\.(?:text|dropdown)\("(\w+)"', (ROOT / "jobs" / "notebook.py").read_text()))


def without_gaps(words, known):
    """Return the words without `...` for options left out, and without --config, whose file is not here."""
    kept = []
    for word in words:
        before = kept[-1] if kept else ""
        if word != "..." or known.get(before):
            kept.append(word)
        if before == "--config":
            del kept[-2:]
    return kept


def test_there_are_commands_to_check():
    started = {split_command(words)[1] for _, _, words in COMMANDS}
    assert set(JOB_SECTIONS) | {"notebook"} <= started


@pytest.mark.parametrize(("page", "command", "words"), COMMANDS, ids=[f"{page}: {line}" for page, line, _ in COMMANDS])
def test_a_command_names_a_job_and_options_that_exist(page, command, words):
    before, job, after = split_command(words)
    assert {word.partition("=")[0] for word in before if word.startswith("--")} - SPARK_OPTIONS == set()
    if job == "notebook":
        assert {word.partition("=")[0] for word in after} - widgets_of_notebook() == set()
    if job not in OPTIONS:
        return
    assert {word.partition("=")[0] for word in after if word.startswith("--")} - set(OPTIONS[job]) == set()
    if "$" not in command and "--help" not in after:
        parse_job(str(ROOT / "jobs" / f"{job}.py"), "", without_gaps(after, OPTIONS[job]))  # values fit too


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_an_option_in_running_text_exists(page):
    named = {span.split()[0].partition("=")[0] for span in inline_code(page) if re.match(r"--[a-z]", span)}
    known = {option for options in OPTIONS.values() for option in options}
    assert named - known - SPARK_OPTIONS - OF_OTHER_TOOLS == set()


# ---- links


def anchors_of(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = []
    for title in re.findall(r"^#{1,6} +(.*?) *#*$", prose_of(path.read_text(encoding="utf-8")), flags=re.MULTILINE):
        slug = make_options.slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title))
        taken = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found)
        found.append(f"{slug}-{taken}" if taken else slug)
    return set(found)


def links_of(page):
    text = re.sub(r"`[^`\n]*`", "", prose_of(page.read_text(encoding="utf-8")))
    found = re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(r"^\[[^\]]+\]: +(\S+)", text, flags=re.MULTILINE)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name_of)
def test_a_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


# ---- pages that follow the source


def test_the_page_of_options_is_in_step_with_the_settings_classes():
    there = make_options.PAGE.read_text(encoding="utf-8")
    assert there == make_options.page(), "run: ./spark-submit.sh exec python docs/make_options.py"


def messages_of(source):
    """Return the strings of a module, each on one line, with {} for what is put in; docstrings are left out."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(value.value if isinstance(value, ast.Constant) else "{}" for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            yield node.value


def all_messages():
    for path in [*sorted((ROOT / "bert_spark").rglob("*.py")), *sorted((ROOT / "jobs").glob("*.py"))]:
        if "before_0_2" not in path.parts:
            yield from messages_of(path.read_text(encoding="utf-8"))
    yield from (ROOT / "spark-submit.sh").read_text(encoding="utf-8").splitlines()
    yield from (ROOT / "conf" / "discover_gpus.sh").read_text(encoding="utf-8").splitlines()


def quoted_messages():
    """Return what stands between backticks in the first column of the tables whose first column is "message"."""
    found, quoting = [], False
    for line in TROUBLESHOOTING.read_text(encoding="utf-8").splitlines():
        first = line.split("|")[1].strip() if line.startswith("|") else None
        if first is None:
            quoting = False
        elif first == "message":
            quoting = True
        elif quoting:
            found += re.findall(r"`([^`]+)`", first)
    return found


def test_messages_that_troubleshooting_quotes_are_in_the_source():
    """A message was changed: change its phrase in docs/troubleshooting.md too. `...` there stands for any text."""
    messages, quoted = list(all_messages()), quoted_messages()
    assert len(quoted) > 50
    patterns = {phrase: ".*".join(map(re.escape, phrase.split("..."))) for phrase in quoted}
    missing = [phrase for phrase, pattern in patterns.items() if not any(re.search(pattern, text) for text in messages)]
    assert missing == []


@pytest.mark.parametrize("name", LINES_AT_MOST)
def test_the_first_pages_stay_short(name):
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST[name]
