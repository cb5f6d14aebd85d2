"""Where the seconds of the first command go: ./spark-submit.sh jobs/embed.py over the sample tweets.

The processes are watched from outside, and Spark's event log says when its jobs ran. As for a new user, the Python is
that of the checkout's .venv, not this one: a first run, which is not counted, installs what is missing.

    python -m tests.benchmarks.first_command --rounds 5
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bert_spark.spark.local_workers import DESCRIPTION
from tests.benchmarks.harness import parse_arguments, report
from tests.support.paths import ROOT

LOOK_S = 0.1  # between two looks at the processes
EVENTS = {"enabled": "true", "rolling.enabled": "false", "compress": "false"}


def first_seen(process, started):
    """Watch a command until it ends. Return when Spark's Java and the job's Python were first seen, and the end."""
    seen = {}
    while process.poll() is None:
        for each in [process, *process.children(recursive=True)]:
            try:
                program, *arguments = each.cmdline() or [""]
            except psutil.Error:  # it has ended meanwhile
                continue
            if "org.apache.spark.deploy.SparkSubmit" in arguments:
                seen.setdefault("java", time.time() - started)
            elif "python" in program and arguments[:1] and arguments[0].endswith("jobs/embed.py"):
                seen.setdefault("python", time.time() - started)
        time.sleep(LOOK_S)
    return seen | {"end": time.time() - started}


class Command(psutil.Popen):
    """A running job of the checkout; its output is not shown."""

    def __init__(self, folder, args):
        events = {**EVENTS, "dir": f"file:{folder}/events"}
        settings = [part for name, value in events.items() for part in ("--conf", f"spark.eventLog.{name}={value}")]
        job = ["jobs/embed.py", "--input", args.texts, "--text-column", args.column, "--output", f"{folder}/vectors"]
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        own = os.path.dirname(sys.executable)
        environment["PATH"] = os.pathsep.join(path for path in os.get_exec_path() if path != own)
        command = ["./spark-submit.sh", *settings, *job]
        super().__init__(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def spark_moments(folder, started):
    """Return when Spark's session began, and description -> (begin, end) of jobs; those of the job itself have none."""
    (log,) = Path(folder, "events").iterdir()
    begun, jobs, session = {}, {}, None
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        match event["Event"]:
            case "SparkListenerApplicationStart":
                session = event["Timestamp"] / 1000 - started
            case "SparkListenerJobStart":
                description = event.get("Properties", {}).get("spark.job.description")
                begun[event["Job ID"]] = description, event["Submission Time"] / 1000 - started
            case "SparkListenerJobEnd":
                description, begin = begun[event["Job ID"]]
                jobs.setdefault(description, []).append((begin, event["Completion Time"] / 1000 - started))
    return session, jobs


def phases(args):
    """Run the command once. Return phase -> its seconds, in the order of time."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "events").mkdir()
        started = time.time()
        command = Command(folder, args)
        seen = first_seen(command, started)
        if command.returncode:
            raise SystemExit(f"{' '.join(command.args)} ended with exit code {command.returncode}")
        session, jobs = spark_moments(folder, started)
    own = [job for name, found in jobs.items() if name != DESCRIPTION for job in found]
    first = min(begin for begin, _ in own)
    longest = max(own, key=lambda job: job[1] - job[0])
    last = max(end for _, end in own)
    ((begin, ready),) = jobs[DESCRIPTION]
    moments = {
        "shell: which Java and Python": seen["java"],
        "Java, until the job's Python": seen["python"],
        "imports and settings": session,
        "session and pre-flight": first,
        "reads before BERT": longest[0],
        "the Spark job with BERT": longest[1],
        "counts and the shown rows": last,
        "end of the processes": seen["end"],
    }
    times = [0, *moments.values()]
    return {name: after - before for name, before, after in zip(moments, times, times[1:], strict=False)} | {
        "whole command": seen["end"],
        "meanwhile: Python workers get ready": ready - begin,
    }


def main():
    args = parse_arguments(__doc__, rows=518, rounds=5)
    phases(args)
    rounds = [phases(args) for _ in range(args.rounds)]
    figures = {name: [each[name] for each in rounds] for name in rounds[0]}
    whole = statistics.median(figures["whole command"])
    report(args, "first_command", "seconds", figures, [("seconds of the whole command", whole, "at most", 10)])


if __name__ == "__main__":
    main()
