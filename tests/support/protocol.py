"""Two runs of a day over a storage in memory, in every order of their steps, with kills and sleeping machines.

`publish_days`, `audit_and_publish`, `locked_output` and the lock are the package's. Only Spark is replaced: rows are
keys, a table is a folder of two files, and each file that appears or vanishes is a step. Between two steps a run may be
killed, time may pass until a dead run's claim has expired, or a run's machine may sleep until its claim has expired.
"""

import json
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import SimpleNamespace

from bert_spark.errors import LockedError
from bert_spark.runs import daily, lock, output_lock, publish, stage, staging_area
from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.output_lock import locked_output
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.stage import StagedRun
from bert_spark.runs.staging_area import StagingArea
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.row_counts import ZERO_COUNTS
from tests.support.interleavings import History

DAY = "2026-11-24"
PARTITION = f"run_date={DAY}"
INPUT, OUTPUT = InputConfig(path="in"), OutputConfig(path="out")
FIRST, GROWN = ["a", "b"], ["a", "b", "c"]  # the keys of the day's input, when the runs begin


class Tree:
    """Folders and files. Each operation on them is a step of the thread that calls it."""

    def __init__(self, every_look=False):
        self.files, self.stale, self.history, self.every_look = {}, set(), None, every_look

    def step(self, action):
        """Change files."""
        return action() if self.history is None else self.history.step(action)

    def age_s(self, claim):
        """Return the age of a claim, which is high for a dead run once time has passed, and for a run that sleeps."""
        return lock.STALE_S + 1 if claim.removesuffix(".json") in self.stale else 0

    def look(self, folder, action):
        """Read files. Only looks at claims are steps: what else a run reads, only the holder of the lock writes."""
        return self.step(action) if self.every_look or "_locks" in folder else action()

    def within(self, folder):
        return sorted(path for path in self.files if path.startswith(f"{folder}/"))


class Place:
    """A folder of a tree, with what `bert_spark.storage.Folder` has."""

    tree: Tree  # of the history at hand
    world: "World"
    is_local = False  # its files have no footers

    def __init__(self, uri):
        self.uri = uri

    def __truediv__(self, name):
        return Place(f"{self.uri}/{name}")

    def names(self):
        paths = self.tree.look(self.uri, lambda: self.tree.within(self.uri))
        return sorted({path.removeprefix(f"{self.uri}/").partition("/")[0] for path in paths})

    def exists(self, name):
        return name in self.names()

    def read(self, name):
        return self.tree.look(self.uri, lambda: self.tree.files.get(f"{self.uri}/{name}"))

    def write(self, name, text):
        self.tree.step(lambda: self.tree.files.update({f"{self.uri}/{name}": text}))

    def remove(self, name):
        path = f"{self.uri}/{name}"
        for file in self.tree.within(path) or [path]:
            self.tree.step(partial(self.tree.files.pop, file, None))

    def age_s(self, name):
        age = self.tree.step(lambda: self.tree.age_s(name))
        return float(age)


class Rows:
    """Rows of Spark's, of which only the keys matter."""

    schema = ()

    def __init__(self, keys):
        self.keys, self.write = keys, self

    def agg(self, *_):
        return self

    def count(self):
        return len(self.keys)

    def first(self):
        return self

    def asDict(self):
        return {name: 0 for name in ZERO_COUNTS if name != "rows_in"} | {"rows_out": len(self.keys)}

    def mode(self, _):
        return self

    def options(self, **_):
        return self

    def parquet(self, path):
        """Write the rows as two files: one step for the old ones, and one for each new one."""
        tree = Place.tree
        tree.step(lambda: [tree.files.pop(file) for file in tree.within(path)] and None)
        for number, keys in enumerate((self.keys[:1], self.keys[1:])):
            tree.step(partial(tree.files.update, {f"{path}/part-{number}": json.dumps(keys)}))


def keys_in(path):
    """Return the keys of a folder's files."""
    tree = Place.tree
    return tree.look(path, lambda: [key for file in tree.within(path) for key in json.loads(tree.files[file])])


@dataclass(frozen=True)
class FakeTask:
    """What `bert_spark.runs.task.Task` does, with keys in place of rows."""

    keys: list
    name: str
    output: OutputConfig = OUTPUT
    source: InputConfig = INPUT
    job: str = "score"
    spreads_rows: bool = False
    truth: None = None
    identity: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    config: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(settings=dict))

    def read(self, *_):
        return Rows(self.keys)

    def for_input(self, _):
        return self

    def check_truth(self, _):
        return

    def record(self, **facts):
        content = {"run_id": self.name, "rows_in": len(self.keys), "rows_out": 0, "job": self.job, **facts}
        return SimpleNamespace(
            content=content, count_input=lambda rows, _: rows, finish=lambda counts: content | counts
        )

    def apply(self, rows, *_):
        return rows

    def output_counts(self):
        return []

    def with_label_shift(self, record):
        return record


def run_day(name, keys):
    """Run a day as `dispatch.run_task` does."""
    area = StagingArea(Place("base"), "out", "out", Place("base"))
    task = FakeTask(keys, name)
    with locked_output(None, OUTPUT, area, name) as held, Place.world.inside(name):
        spark = SimpleNamespace(conf=SimpleNamespace(get=lambda _: "UTC"))
        daily.publish_days(ScheduledRun(spark, task, ScheduleConfig(run_date=DAY), LimitsConfig(), area, held))


class World:
    """One history of two runs of a day, of which the second finds a grown input.

    Parameters
    ----------
    kills
        How many runs may be killed.
    sleeps
        How many times a run's machine may sleep.
    """

    def __init__(self, kills, sleeps):
        Place.world, Place.tree = self, Tree(every_look=sleeps > 0)
        self.tree, self.may_sleep = Place.tree, sleeps > 0
        self.holders = set()  # the runs that hold the lock
        self.sure = set()  # the runs that have looked at their lock and have not yet replaced rows
        self.replacing = set()  # the runs that are between the first and the last step of replacing rows
        self.errors = []
        bodies = {"first": partial(self._run, "first", FIRST), "second": partial(self._run, "second", GROWN)}
        self.history = ProtocolHistory(self.tree, bodies, kills, sleeps)
        self.history.look, self.history.sure, self.history.holders = self._check_reader, self.sure, self.holders

    def _run(self, name, keys):
        try:
            run_day(name, keys)
        except LockedError:
            pass
        except Exception as err:
            if not self.may_sleep:  # else the files of a run may vanish under it: it fails, and is run again
                self.errors.append(f"{name}: {err!r}")

    def _check_reader(self):
        """See that a reader finds a whole day at any moment at which no run replaces it, or was killed doing so."""
        undisturbed = not self.replacing and not self.history.slept_when_sure
        if undisturbed and self.shown() not in ([], FIRST, GROWN):
            self.errors.append(f"a reader sees {self.shown()}")

    @contextmanager
    def inside(self, name):
        """See that only one run holds the lock, unless a machine has slept."""
        self.holders.add(name)
        if len(self.holders - self.history.killed) > 1 and not self.may_sleep:
            self.errors.append(f"{sorted(self.holders)} hold the lock at once")
        try:
            yield
        finally:
            self.holders.discard(name)

    @contextmanager
    def replaces(self):
        """Note that a run replaces rows. A run that is killed meanwhile replaces them for ever."""
        run = threading.current_thread().name
        before = self.shown()
        self.replacing.add(run)
        yield
        self.replacing.discard(run)
        self.sure.discard(run)
        lost = run in self.history.threads and f"base/_locks/out/{run}.json" not in self.tree.files
        if lost and run not in self.history.slept_when_sure and (before, self.shown()) == (GROWN, FIRST):
            self.errors.append("a run that has lost its lock replaced newer rows")

    def check(self, held, check=output_lock.OutputLock.check):
        """Look at the lock, as a run does before it replaces rows. Nothing helps if its machine sleeps right then."""
        check(held)
        self.sure.add(threading.current_thread().name)

    def shown(self):
        """Return the keys that a reader sees."""
        files = self.tree.within(f"out/{PARTITION}")
        return [key for file in files for key in json.loads(self.tree.files[file])]

    def run_again(self):
        """Let time pass until no claim is valid, and run the day once more with the grown input."""
        self.tree.history = None
        self.tree.stale = {"first", "second"}
        try:
            run_day("third", GROWN)
        except Exception as err:
            self.errors.append(f"the next run: {err!r}")
        left = [
            file for file in self.tree.files if "/_staging/" in file or (file.endswith(".json") and "/_locks/" in file)
        ]
        if self.shown() != GROWN or left:
            self.errors.append(f"after the next run a reader sees {self.shown()}, and there is {left}")


class ProtocolHistory(History):
    """A history in which runs may be killed, claims of dead runs expire, and machines sleep."""

    def __init__(self, storage, bodies, kills, sleeps):
        self.kills, self.sleeps, self.look = kills, sleeps, lambda: None
        self.sure, self.holders, self.slept_when_sure = set(), set(), set()
        super().__init__(storage, bodies)

    def moves(self):
        threads = self.enabled()
        more = [("expire", name) for name in sorted(self.killed - self.storage.stale)]
        if self.kills:
            more += [("kill", name) for name in sorted(self.waiting)]
        if self.sleeps:
            more += [("sleep", name) for name in sorted(self.waiting & self.holders)]
        return threads + more if threads else []

    def make(self, move):
        if isinstance(move, str):
            self.storage.stale.discard(move)  # it wakes, and its heart beats
            super().make(move)
            return
        event, name = move
        self.sleeping.clear()
        if event == "kill":
            self.kills -= 1
            self.kill(name)
        else:
            self.storage.stale.add(name)
            if event == "sleep":
                self.sleeps -= 1
                self.slept_when_sure |= self.sure & {name}

    def state(self):
        self.look()
        befell = (sorted(self.killed), sorted(self.storage.stale), self.kills, self.sleeps, self.slept_when_sure)
        return f"{super().state()} {befell}"


@contextmanager
def faked_spark(monkeypatch):
    """Replace what of Spark and of the machine the protocol's code touches."""
    with monkeypatch.context() as patch:
        for module, name, fake in [
            (daily, "days_in_zone", lambda *_: nullcontext()),
            (daily, "check_date_format", lambda *_: None),
            (daily, "path_exists", lambda *_: False),
            (daily, "check_columns_free", lambda *_: None),
            (daily, "input_signature", lambda rows: "".join(rows.keys)),
            (daily, "records_of_day", lambda record, rows, *_: rows),
            (daily, "show_progress", lambda *_: nullcontext()),
            (publish, "datetime", SimpleNamespace(UTC=None, datetime=SimpleNamespace(now=lambda _: datetime.min))),
            (publish, "count_partition_rows", lambda *_: len(keys_in(f"out/{PARTITION}"))),
            (publish, "replace_partition", _replace),
            (StagedRun, "rows", lambda stage, _, partitions: Rows(keys_in(stage.path(partitions[0])))),
            (lock.Lock, "_start", lambda self: None),
            (lock.Lock, "_release", lambda self: lock._withdraw(self._folder, self._name)),
            (lock, "_claim_text", json.dumps),
            (lock, "_this_process", lambda run: {"token": run, "run": run, "space": run, "holds": False}),
            # not time.sleep itself, which py4j's threads use too
            (
                lock,
                "time",
                SimpleNamespace(sleep=_let_others_move),
            ),
            (output_lock.OutputLock, "check", lambda held: Place.world.check(held)),
            (lock, "Folder", Place),
            (output_lock, "Folder", Place),
            (staging_area, "Folder", Place),
            (stage, "Folder", Place),
        ]:
            patch.setattr(module, name, fake)
        yield patch


def _let_others_move(seconds):
    """Wait until another run has made a step; return at once if no history is at hand."""
    if Place.tree.history is not None:
        Place.tree.history.sleep(seconds)


def claim_at_once(folder, holder, claim=lock._claim):
    """Claim a lock in one step. `test_lock` tries every order of a claim's own steps."""
    tree = Place.tree

    def whole():
        history, tree.history = tree.history, None
        try:
            claim(folder, holder)
        finally:
            tree.history = history

    tree.step(whole)


def _replace(_, rows, output, partition):
    with Place.world.replaces():
        rows.parquet(f"{output.path}/{partition}")
    return len(keys_in(f"{output.path}/{partition}"))
