"""Random histories of a table that is kept in step with its source, with runs that die at any step.

In each step the source changes at random, and a run is recorded: its folder is copied before each change of a file.
From one of these copies, as a run that died there leaves it, a further run starts. It must bring the table into step.
"""

import random
from dataclasses import dataclass

import pytest

from tests.support.histories import Recorder, costs_no_bert
from tests.support.row_counter import rows_through_python
from tests.support.synced_table import SyncedTable

SECOND_RUNS = ("the same", "the same", "a changed source", "another model", "another --work")
OPTIONS = ("--max-missing-share", "1", "--max-removed-share", "1")
WORDS = ("happy", "sad", "hello", "world", "name", "love", "hate", "text")


@dataclass
class Walk:
    """A table and its source through a random history.

    Parameters
    ----------
    seed
        Decides all that is random.
    table
        The table, without source and output yet.
    copies
        A folder for the copies of runs that die.
    """

    seed: int
    table: SyncedTable
    copies: object

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self._next_id, self._steps = 0, 0
        for _ in range(8):
            self._add()

    def _text(self):
        """Return a text; other rows may have it too."""
        return None if self.random.random() < 0.1 else " ".join(self.random.choices(WORDS, k=2))

    def _add(self):
        self.table.rows[self._next_id] = (self._text(), self.random.randrange(3))
        self._next_id += 1

    def change(self):
        """Change the source: rows come, change and go. A row that has gone may come back."""
        for _ in range(self.random.randrange(4)):
            self._add()
        for key in list(self.table.rows):
            dice, (text, likes) = self.random.random(), self.table.rows[key]
            if dice < 0.12:
                del self.table.rows[key]
            elif dice < 0.25:
                self.table.rows[key] = (self._text(), likes)
            elif dice < 0.35:
                self.table.rows[key] = (text, likes + 1)
        if self.random.random() < 0.3 and self._next_id:
            self.table.rows[self.random.randrange(self._next_id)] = (self._text(), 0)

    def start(self):
        """Write the first output: by this kind of run, or by a plain run that leaves several files."""
        if self.random.random() < 0.5:
            return self.table.run(*OPTIONS)
        return self.table.plain_run("--partition-mb", "0.00005")

    def step(self, deaths=1):
        """Let a run die at so many random moments, each time with another run after it; return what is wrong then."""
        earlier = {row["id"]: (row["text"], row["likes"]) for row in self.table.stored()}
        self.change()
        recorder = Recorder(self.table.folder, self.copies / str(self._steps))
        self._steps += 1
        with recorder.recording(pytest.MonkeyPatch()):
            code = self.table.run(*OPTIONS)
        problems = [f"exit code {code} of the first run"] if code else self._wrong()
        problems += [problem for death in recorder.deaths for problem in self._wrong_for_readers(death, earlier)]
        rows = self.table.rows
        for death in self.random.sample(recorder.deaths, deaths):
            recorder.restore(death.tree)
            self.table.rows = dict(rows)
            second = self.random.choice(SECOND_RUNS)
            problems += [f"{death.step}, {death.when}, {second}: {one}" for one in self._second_run(second, death)]
        return problems

    def _second_run(self, second, death):
        if second == "a changed source":
            self.change()
        if second in ("another model", "another --work"):
            before = self.table.stored()
            more = (
                ["--max-length", "9"] if second == "another model" else ["--work", str(self.table.folder / "elsewhere")]
            )
            code = self.table.run(*OPTIONS, *more)
            if code == 0 and second == "another model":
                return ["rows of another model were kept"] if before else self._of_the_other_model()
            if code and self.table.stored() != before:
                return [f"exit code {code}, and the output has changed"]
            if code == 0:
                return self._wrong()
        with rows_through_python(self.table.spark) as encoded:
            code = self.table.run(*OPTIONS)
        if code:
            return [f"exit code {code}"]
        ran = any(encoded) and second == "the same" and costs_no_bert(death.tree)
        return self._wrong() + (["BERT ran"] if ran else [])

    def _of_the_other_model(self):
        """Begin anew with this model: without a row in the output, the other model was right to write it."""
        code = self.table.plain_run("--overwrite")
        return [f"exit code {code} of --overwrite"] if code else []

    def _wrong(self):
        return self.table.problems() + [f"left behind: {path}" for path in self.table.left_behind()]

    def _wrong_for_readers(self, death, earlier):
        """Return the ids that a reader misses or sees twice at this moment, and rows that never were in the source."""
        seen = self.table.stored(death.tree / self.table.output.name)
        keys = [row["id"] for row in seen]
        problems = [] if len(set(keys)) == len(keys) else ["an id is there twice"]
        if earlier.keys() & self.table.rows.keys() - set(keys):
            problems.append("an id is missing")
        for row in seen:
            if (row["text"], row["likes"]) not in (earlier.get(row["id"]), self.table.rows.get(row["id"])):
                problems.append(f"row {row['id']} is neither the old nor the new one")
        return [f"a reader at {death.step}, {death.when}: {problem}" for problem in problems]
