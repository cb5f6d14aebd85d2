"""Faults that every engine meets, and what they leave: rows lost, rows doubled, a dead job."""

import contextlib
import shutil
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

FILES = 4  # of an input table
LONG_TEXT = "so happy today, and so sad " * 40_000  # 1 MB
COLUMNS = ("rows lost", "rows doubled", "without vector")
# CPU seconds after which a worker is at work on its rows: actors of Ray import torch and load the model first
AT_WORK_S = {"ray": 8}
DAFT_AT_WORK_S = 5  # seconds: its second job in a process loads the model again


DEFAULT_MODE = "run again, default mode"


class FaultTable(list):
    """Results of faults as a table."""

    def __str__(self):
        head = f"\n{'engine':18}{'fault':40}" + "".join(f"{name:>16}" for name in COLUMNS) + "  job"
        lines = [
            f"{row['engine']:18}{row['fault']:40}" + "".join(f"{row[name]:>16}" for name in COLUMNS) + f"  {row['job']}"
            for row in self
        ]
        return "\n".join([head, *lines])


def write_table(folder, texts):
    """Write ids and texts as FILES Parquet files; return the folder."""
    Path(folder).mkdir(parents=True)
    for part in range(FILES):
        rows = pa.table({"id": pa.array(range(len(texts))[part::FILES]), "text": pa.array(texts[part::FILES])})
        pq.write_table(rows, f"{folder}/part-{part}.parquet")
    return folder


def read_table(folder):
    """Return the ids and the vectors that a reader sees; files and folders named _ or . are not read."""
    ids, vectors = [], []
    for path in sorted(Path(folder).rglob("*.parquet")):
        if not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts):
            rows = pq.ParquetFile(path).read(columns=["id", "embedding"])
            ids += rows["id"].to_pylist()
            vectors += rows["embedding"].to_pylist()
    return ids, vectors


def fault_table(open_engine, names, texts, folder):
    """Return what each fault leaves behind, for each engine."""
    texts = [f"{number} {text}" for number, text in enumerate(texts)]  # no two are equal
    sources = {
        "whole": write_table(f"{folder}/whole", texts),
        "a null": write_table(f"{folder}/null", [None, *texts[1:]]),
        "a text of 1 MB": write_table(f"{folder}/long", [LONG_TEXT, *texts[1:]]),
    }
    table = FaultTable()
    for name in names:
        for row in _faults_of(lambda name=name: open_engine(name), name, sources, Path(folder, name), len(texts)):
            print(*row.values(), sep=", ", flush=True)
            table.append(row)
    return table


def _faults_of(open_engine, name, sources, folder, rows):
    def leaves(fault, output, answer):
        return {"engine": name, "fault": fault, **counts(output, rows), "job": _in_words(answer)}

    engine = open_engine()
    for fault in ("a null", "a text of 1 MB"):
        yield leaves(fault, folder / fault, engine.run(sources[fault], str(folder / fault), "overwrite"))
        engine = open_engine() if engine.process.poll() is not None else engine
    engine.run(sources["whole"], str(folder / "warm"), "overwrite")
    yield leaves("a worker is killed", folder / "worker", _killed_worker(engine, sources["whole"], folder / "worker"))
    engine.close()
    engine, output = open_engine(), folder / "half" / "out"
    answer = _killed_halfway(engine, sources["whole"], output)
    yield leaves("the job is killed: what a reader sees", output, answer)
    engine = open_engine()
    for mode, fault in (("default", DEFAULT_MODE), ("overwrite", "run again, overwrite")):
        again = folder / mode / "out"
        shutil.copytree(output.parent, again.parent)
        yield leaves(fault, again, engine.run(sources["whole"], str(again), mode))
    engine.close()


def _killed_worker(engine, source, output):
    """Kill one worker at its work, or the process if it has no others. Return the answer of the job."""
    before = {process: _cpu_seconds(process) for process in engine.workers()}
    engine.start(source, str(output), "overwrite")
    if engine.name == "daft":
        time.sleep(DAFT_AT_WORK_S)
        engine.kill()
        return engine.answer()
    at_work = AT_WORK_S.get(engine.name, 1)
    while not engine.has_answered():
        for worker in engine.workers():
            if _cpu_seconds(worker) - before.get(worker, 0) > at_work:
                with contextlib.suppress(psutil.Error):
                    worker.kill()
                    return engine.answer()
        time.sleep(0.05)
    engine.answer()
    return f"not tested: no worker took {at_work} s of CPU; use more --fault-rows"


def _killed_halfway(engine, source, output):
    """Kill the job once it has begun to write a file. Return in words what happened."""
    output.parent.mkdir(parents=True)
    engine.start(source, str(output), "default")
    while not engine.has_answered() and not any(path.stat().st_size for path in _data_files(output.parent)):
        time.sleep(0.02)
    engine.kill()
    return "not tested: it ended first; use more --fault-rows" if isinstance(engine.answer(), float) else "killed"


def _data_files(folder):
    with contextlib.suppress(OSError):
        return [path for path in folder.rglob("*.parquet*") if path.is_file()]
    return []


def _cpu_seconds(process):
    with contextlib.suppress(psutil.Error):
        return process.cpu_times().user
    return 0.0


def counts(output, rows):
    """Return how many of the rows 0 to `rows` - 1 a reader misses, sees again, or sees without a vector."""
    try:
        ids, vectors = read_table(output)
    except (OSError, pa.ArrowException):
        return dict.fromkeys(COLUMNS, "unreadable")
    times = Counter(ids)
    return {
        "rows lost": rows - len(times),
        "rows doubled": sum(times.values()) - len(times),
        "without vector": sum(vector is None or vector[0] is None or vector[0] != vector[0] for vector in vectors),
    }


def _in_words(answer):
    if isinstance(answer, float):
        return "ends"
    return answer if answer.startswith(("killed", "not tested")) else f"dead: {answer[:90]}"
