"""Run jobs/score.py in a process that stops itself (SIGSTOP) while it stages a partition.

The partition, such as "batch=2", is the first argument; the job's options follow.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from pyspark.sql import DataFrameWriter

from jobs import score

write_parquet = DataFrameWriter.parquet


def stop_at_first_file(folder):
    """Stop this process as soon as a file of staged rows exists."""
    while not any(folder.glob("*")):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_while_writing(partition):
    """Make the process stop while it writes `partition`. It never gets past that write, however late the stop is."""

    def parquet(writer, path, *args, **kwargs):
        if not path.endswith(f"/{partition}"):
            return write_parquet(writer, path, *args, **kwargs)
        folder = Path(path.removeprefix("file:"))
        threading.Thread(target=stop_at_first_file, args=(folder,), daemon=True).start()
        write_parquet(writer, path, *args, **kwargs)
        threading.Event().wait()

    DataFrameWriter.parquet = parquet


partition, *options = sys.argv[1:]
stop_while_writing(partition)
sys.exit(score.main(options))
