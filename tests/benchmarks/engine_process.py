"""A process of `engine_jobs` that runs jobs, and what its workers are. Knows nothing of figures."""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil

JOBS = Path(__file__).with_name("engine_jobs.py")
LONGEST_S = 3600  # a job that takes longer counts as dead
QUIET = {"DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1", "RAY_DEDUP_LOGS": "0"}


class EngineProcess:
    """One contender. What it prints goes to a log file."""

    def __init__(self, name, python, folder, cores, log):
        self.name = name
        self.started = time.perf_counter()
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [python, "-W", "ignore", str(JOBS), name, str(folder), str(cores)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | QUIET, start_new_session=True,
            )  # fmt: skip

    def start(self, source, output, mode):
        """Start a job. `answer` waits for its end."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{source}\t{output}\t{mode}\n")
            self.process.stdin.flush()

    def answer(self):
        """Return the seconds of the job, or the reason why it is dead."""
        watchdog = threading.Timer(LONGEST_S, self.kill)
        watchdog.start()
        words = self.process.stdout.readline().split(maxsplit=1)
        watchdog.cancel()
        if not words:
            return "the process ended"
        return float(words[1]) if words[0] == "done" else words[1].strip()

    def has_answered(self):
        """Tell whether the job has ended, so that `answer` does not wait."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def run(self, *job):
        self.start(*job)
        return self.answer()

    def workers(self):
        """Return the processes in which models run: none of Daft's, which has threads only."""
        found = []
        for process in self._descendants():
            with contextlib.suppress(psutil.Error):
                command = " ".join(process.cmdline())
                if command.startswith("ray::MapWorker") or (
                    "daemon" in command and "python" in command and "daemon" in " ".join(process.parent().cmdline())
                ):
                    found.append(process)
        return found

    def kill(self):
        """Kill the process and all that it has started, as a machine does that is switched off."""
        descendants = self._descendants()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()

    def close(self):
        """Let the process end by itself; kill what is left of it after a minute."""
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        self.kill()

    def _descendants(self):
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []
