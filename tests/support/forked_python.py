"""New Python processes that have torch and scikit-learn loaded: forked from a server, not started anew.

An import of both takes longer than most tests. The server has loaded neither bert_spark nor pyspark, and neither
transformers nor huggingface_hub, which reads its environment variables when it is imported.
"""

import multiprocessing
import os
import sys

PRELOADED = ["pandas", "pyarrow.parquet", "sklearn.pipeline", "sklearn.svm", "skops.io", "torch._dynamo"]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(PRELOADED)


class ForkedPython:
    """A process that runs `code` with these environment variables. It writes what it prints into files of `folder`."""

    def __init__(self, code, environment, folder):
        self._stdout, self._stderr = folder / "stdout.txt", folder / "stderr.txt"
        arguments = (code, dict(environment), str(self._stdout), str(self._stderr))
        self._process = CONTEXT.Process(target=_run, args=arguments)
        self._process.start()

    def printed(self):
        """Return what the process has printed, once it has ended. It must not have failed."""
        self._process.join()
        assert self._process.exitcode == 0, self._stderr.read_text()[-2000:]
        return self._stdout.read_text().strip()


def _run(code, environment, stdout, stderr):
    os.environ.clear()
    os.environ.update(environment)
    for path, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    exec(compile(code, "<code of a test>", "exec"), {"__name__": "__main__"})
