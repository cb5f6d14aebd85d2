"""Histories of scheduled runs that die: every step that changes a file, and a second run from each of these moments.

A run is recorded once. Before each step the folder is copied, as a run that dies there leaves it. The steps are the
changes that `bert_spark.storage` makes, the rows that Spark writes, and the commits to an Iceberg table. There are also
copies in the middle. Of rows that Spark writes: old files removed, new ones still in `_temporary`, some of them in
place. Of a commit: data written and not committed, committed and not yet named as the newest. A second run from a copy
must then end with every key once.
"""

import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from pyspark.sql import DataFrameWriter, DataFrameWriterV2, SparkSession

from bert_spark.runs.stage import REMOVED
from tests.support.nightly_runs import DAYS, TEXTS, rows_by_partition
from tests.support.row_counter import rows_through_python

LOCKS = "_locks"
CHANGES = ("ALTER", "CALL", "INSERT")  # first words of SQL that changes a table
METADATA = (".metadata.json", "version-hint.text")  # the files that Iceberg writes last in a commit, in this order


@dataclass(frozen=True)
class Death:
    """A moment at which a run dies: the step that it had not begun or not ended, and a copy of its folder then."""

    step: str
    when: str
    tree: Path


class Recorder:
    """Copy a folder before each step that changes a file in it, while a run goes on."""

    def __init__(self, root, copies):
        self.root, self.copies, self.deaths, self._trees = root, copies, [], {}
        self._inside = False  # a write of Spark's: `parquet` calls `save`

    @contextmanager
    def recording(self, monkeypatch):
        """Record the steps of the block. The last copy is that of the block's end."""
        with monkeypatch.context() as patch:
            for name in ("mv", "rm", "pipe_file"):
                patch.setattr(LocalFileSystem, name, self._step_of_storage(name, getattr(LocalFileSystem, name)))
            for name in ("parquet", "save"):
                patch.setattr(DataFrameWriter, name, self._step_of_spark(getattr(DataFrameWriter, name)))
            patch.setattr(SparkSession, "sql", self._step_of_table("sql", SparkSession.sql))
            for owner, name in ((DataFrameWriter, "saveAsTable"), (DataFrameWriterV2, "overwrite")):
                patch.setattr(owner, name, self._step_of_table(name, getattr(owner, name)))
            yield
        self.copy("the end", "after it")

    def copy(self, step, when):
        """Copy the folder, unless there is a copy of the same content; return the copy."""
        content = content_of(self.root)
        if content not in self._trees:
            self._add(step, when, content, self.root)
        return self._trees[content]

    def _add(self, step, when, content, source):
        tree = self.copies / f"{len(self.deaths):03}"
        shutil.copytree(source, tree, ignore=_claims)
        self._trees[content] = tree
        self.deaths.append(Death(step, when, tree))

    def _step_of_storage(self, name, change):
        def step(fs, path, *args, **kwargs):
            place = Path(LocalFileSystem._strip_protocol(path))
            if self.root in place.parents and LOCKS not in place.relative_to(self.root).parts:
                self.copy(f"{name} {self.named(place)}", "before")
            return change(fs, path, *args, **kwargs)

        return step

    def _step_of_spark(self, write):
        def step(writer, path=None, *args, **kwargs):
            target = Path(str(path).removeprefix("file:"))
            if self.root not in target.parents or self._inside:
                return write(writer, path, *args, **kwargs)
            name = f"write {self.named(target)}"
            before, self._inside = self.copy(name, "before"), True
            try:
                write(writer, path, *args, **kwargs)
            finally:
                self._inside = False
            self._copy_middles(name, before, target)
            self.copy(name, "after")

        return step

    def _step_of_table(self, name, change):
        def step(owner, argument, *args, **kwargs):
            if self._inside or (name == "sql" and argument.split()[0] not in CHANGES):
                return change(owner, argument, *args, **kwargs)
            what = re.sub(r"score.\d{8}T\d{6}.[0-9a-f]{6}", "RUN", argument if name == "sql" else f"{name} rows")
            before, self._inside = self.copy(what, "before"), True
            try:
                return change(owner, argument, *args, **kwargs)
            finally:
                self._inside = False
                self._copy_commit(what, before)
                self.copy(what, "after")

        return step

    def _copy_commit(self, name, before):
        """Add what a commit of Iceberg leaves between `before` and now: its last two files are missing, or its last."""
        changed = [
            path.relative_to(self.root)
            for path in self.root.glob("warehouse/**/*")
            if path.is_file() and not _same_content(path, before / path.relative_to(self.root))
        ]
        for when, missing in [("not committed", METADATA), ("committed, not the newest", METADATA[1:])]:
            draft = self.copies / "draft"
            shutil.copytree(before, draft)
            for path in changed:
                if not path.name.removeprefix(".").removesuffix(".crc").endswith(missing):
                    (draft / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self.root / path, draft / path)
            content = content_of(draft)
            if content not in self._trees:
                self._add(name, when, content, draft)
            shutil.rmtree(draft)

    def _copy_middles(self, name, before, target):
        """Add what Spark's committer leaves between `before` and now."""
        files = sorted(file for file in target.rglob("part-*") if not file.name.endswith(".crc"))
        draft = self.copies / "draft"
        for when, where, kept in [
            ("old files removed", "", []),
            ("new files not in place", "_temporary/0/task_0", files),
            ("one new file in place", "", files[:1]),
        ]:
            shutil.copytree(before, draft)
            place = draft / target.relative_to(self.root)
            shutil.rmtree(place, ignore_errors=True)
            for file in kept:
                (place / where).mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, place / where)
            content = content_of(draft)
            if content not in self._trees:
                self._add(name, when, content, draft)
            shutil.rmtree(draft)

    def named(self, path):
        """Return the path of a step from the folder, without what is random in it."""
        name = str(path.relative_to(self.root))
        return re.sub(
            r"(day|new|whole|sync)-[\w-]+", r"\1-RUN", re.sub(r"\.([\w.-]+)\.[0-9a-f]{6}$", r"\1 (draft)", name)
        )

    def restore(self, tree):
        """Put the folder back into the state of a copy."""
        shutil.rmtree(self.root)
        shutil.copytree(tree, self.root)


def _same_content(one, other):
    return other.is_file() and one.read_bytes() == other.read_bytes()


def _claims(folder, names):
    """Name what is not copied: the claims of runs that are alive."""
    return [name for name in names if Path(folder).parent.name == LOCKS and name.endswith(".json")]


def content_of(folder):
    """Return a digest of all files in a folder but locks."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and LOCKS not in path.parts and not path.name.endswith(".crc"):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
        elif path.is_dir():
            digest.update(f"{path.relative_to(folder)}/\n".encode())
    return digest.hexdigest()


def costs_no_bert(tree):
    """Tell whether a copy holds complete staged rows, so that the same run again need not encode anything."""
    states = [json.loads(file.read_text())["status"] for file in tree.glob("**/_staging/*/*/state.json")]
    return bool(states) and REMOVED not in states


def visible(output, spark=None):
    """Return what a reader of a folder of Parquet files, or of a table, sees: partition -> sorted (key, label)."""
    if isinstance(output, str):
        rows = {}
        table = spark.table(output) if spark.catalog.tableExists(output) else None
        for row in table.collect() if table else []:
            name = "batch" if "batch" in table.columns else "run_date"
            rows.setdefault(f"{name}={row[name]}", []).append((row.key, row.label))
        return {partition: sorted(found) for partition, found in rows.items()}
    return rows_by_partition(output)


# ---- the ways of running


@dataclass(frozen=True)
class Way:
    """A way of running the job.

    Parameters
    ----------
    options
        Its options; {folder} stands for the folder of the runs.
    files
        The input: a file's name -> its number of rows. A file is named after the day of its rows.
    earlier
        How many of the files an earlier run has published already; 0 for none.
    refused
        Whether an earlier run was refused by the limits.
    """

    options: tuple[str, ...]
    files: dict[str, int]
    earlier: int = 0
    refused: bool = False

    def command(self, folder, *more):
        return ["--format", "json", *(option.format(folder=folder) for option in self.options), *more]


BY_DAY = ("--date-column", "day")
OF_DAY = ("--run-date", DAYS[0], *BY_DAY)
INCREMENTAL = ("--incremental", "--checkpoint", "{folder}/seen", "--max-files", "1")
FILES = {f"{DAYS[0]}.a": 4, f"{DAYS[0]}.b": 5}
WITHOUT_A_TEXT = f"{DAYS[0]}.missing"  # a file whose first row has no text
REFUSED = {f"{DAYS[0]}.a": 4, WITHOUT_A_TEXT: 3}  # too large a share of missing texts for the limits
RAISED = ("--max-missing-share", "0.5")
WAYS = {
    "a day": Way(OF_DAY, FILES),
    "a day again": Way(OF_DAY, FILES, earlier=1),
    "a refused day": Way((*OF_DAY, *RAISED), REFUSED, refused=True),
    "a range": Way(("--from", DAYS[0], "--to", DAYS[1], *BY_DAY), {f"{DAYS[0]}.a": 4, f"{DAYS[1]}.a": 5}),
    "an increment": Way(INCREMENTAL, FILES),
    "a later increment": Way(INCREMENTAL, FILES | {f"{DAYS[0]}.c": 3}, earlier=1),
    "a refused increment": Way((*INCREMENTAL, *RAISED), REFUSED, refused=True),
}
GROWN = f"{DAYS[0]}.z"  # the file that has arrived before the second run
SECOND_RUNS = ("the same", "a grown input", "another model", "another --work")


def rows_of(name, rows):
    """Return the rows of a file."""
    made = [
        {"key": f"{name}-{n}", "day": name[:10], "text": f"{TEXTS[n % len(TEXTS)]} {n} in {name}"} for n in range(rows)
    ]
    return [made[0] | {"text": None}, *made[1:]] if name == WITHOUT_A_TEXT else made


def write_files(nightly, files):
    """Write json files into the input."""
    nightly.input.mkdir(exist_ok=True)
    for name, rows in files.items():
        lines = [json.dumps(row) for row in rows_of(name, rows)]
        (nightly.input / f"{name}.json").write_text("\n".join([*lines, ""]))


def prepare(way, nightly):
    """Write the input; let the earlier run publish its part, or be refused."""
    write_files(nightly, dict(list(way.files.items())[: way.earlier] if way.earlier else way.files))
    if way.earlier:
        assert nightly.score(*way.command(nightly.folder)) == 0
        write_files(nightly, way.files)
    if way.refused:
        assert nightly.score(*way.command(nightly.folder, "--max-missing-share", "0.1")) == 4


class History:
    """A second run after a death, and what it leaves."""

    def __init__(self, way, nightly, labels, other_artefact, other_labels):
        self.way, self.nightly, self.labels = way, nightly, labels
        self.other_artefact, self.other_labels = other_artefact, other_labels
        self.keys = [row["key"] for name, rows in way.files.items() for row in rows_of(name, rows)]

    def visible(self):
        """Return what a reader of the output sees."""
        return visible(self.nightly.output, self.nightly.spark)

    def problems(self, second):
        """Run a second time and return what is wrong then: an empty list if nothing is."""
        folder, before = self.nightly.folder, self.visible()
        command = self.way.command(folder)
        if second == "a grown input":
            write_files(self.nightly, {GROWN: 3})
            self.keys = self.keys + [row["key"] for row in rows_of(GROWN, 3)]
        if second == "a grown input" and "--from" in command:  # it continues with the first unpublished day
            assert self.nightly.score(*command) == 0
        if second in ("the same", "a grown input"):
            code = self.nightly.score(*command)
            return [f"exit code {code}"] if code else self.wrong(self.labels)
        if second == "another model":
            self.nightly.artefact, own = self.other_artefact, self.nightly.artefact
            code = self.nightly.score(*command)
            self.nightly.artefact = own
            if code == 0:
                return self.wrong(self.other_labels)
        else:
            code = self.nightly.score(*command, "--work", str(folder / "elsewhere"))
            if code == 0:
                return self.wrong(self.labels)
        if self.visible() != before:
            return [f"exit code {code}, and the output has changed"]
        code = self.nightly.score(*command)  # as the message says
        return [f"exit code {code} of the run that the message names"] if code else self.wrong(self.labels)

    def wrong(self, labels):
        """Return what is wrong with the output, its records, the staging folder and the locks."""
        folder, partitions = self.nightly.folder, self.visible()
        found = Counter(key for rows in partitions.values() for key, _ in rows)
        expected = Counter(self.keys)
        problems = [f"lost {sorted((expected - found).elements())}"] if expected - found else []
        problems += [f"doubled {sorted((found - expected).elements())}"] if found - expected else []
        others = [key for rows in partitions.values() for key, label in rows if label != labels.get(key)]
        problems += [f"other labels of {others}"] if others else []
        files = folder.glob("**/_manifests/*.json")
        records = [json.loads(file.read_text()) for file in files]
        published = [record for record in records if record["status"] == "published"]
        problems += [f"counts of {each['run_id']}" for each in published if each["rows_in"] != each["rows_out"]]
        if "--incremental" in self.way.options:
            rows = sum(each["rows_out"] for each in published)
            problems += [f"records of {rows} rows"] if rows != len(self.keys) else []
        else:
            known = {(each["partition"], each["rows_out"]) for each in published}
            problems += [f"no record of {name}" for name, rows in partitions.items() if (name, len(rows)) not in known]
        left = [str(path) for path in folder.glob("**/_staging/*/*")]
        left += [str(path) for path in folder.glob(f"**/{LOCKS}/*/*.json")]
        left += self.nightly.branches()
        return problems + ([f"left behind: {left}"] if left else [])


class Histories:
    """Recorded runs of every way, and second runs from all their deaths.

    Parameters
    ----------
    start
        Returns new runs in a folder of their own.
    folder
        Returns a new folder.
    labels
        The labels that an uninterrupted run of the artefact gives to all rows, by key.
    other
        Returns another artefact, and the labels of its run.
    """

    def __init__(self, start, folder, labels, other):
        self._start, self._folder, self._known = start, folder, {}
        self._labels, self._other = labels, other

    def recorded(self, name):
        """Return the runs of a way, and the recorder of their last run."""
        if name not in self._known:
            nightly = self._start()
            prepare(WAYS[name], nightly)
            recorder = Recorder(nightly.folder, self._folder())
            with recorder.recording(pytest.MonkeyPatch()):
                assert nightly.score(*WAYS[name].command(nightly.folder)) == 0
            self._known[name] = nightly, recorder
        return self._known[name]

    def check(self, way, second, deaths, runs=None):
        """Run a second time after each of some deaths of a way; fail with all that went wrong."""
        (nightly, recorder), wrong = runs or self.recorded(way), []
        other = self._other() if second == "another model" else (None, None)
        for death in deaths:
            recorder.restore(death.tree)
            history = History(WAYS[way], nightly, self._labels, *other)
            with rows_through_python(nightly.spark) as encoded:
                problems = history.problems(second)
            if any(encoded) and second == "the same" and way != "a range" and costs_no_bert(death.tree):
                problems.append("BERT ran")
            wrong += [f"{death.step}, {death.when}: {problem}" for problem in problems]
        sys.stdout.write(f"| {way} | {second} | {len(deaths)} | {len(wrong)} |\n")
        assert wrong == []

    def sample(self, way, number, first=0):
        """Return some deaths of a way, evenly spread; `first` selects others."""
        deaths = self.recorded(way)[1].deaths
        step = -(-len(deaths) // number)
        return deaths[first % step :: step]
