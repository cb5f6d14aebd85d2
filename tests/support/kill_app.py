"""Run jobs/score.py in a process that stops or kills itself at the point named first; the rest is the job's.

Points: a partition such as "batch=2" stops the process (SIGSTOP) while Spark writes that partition's staged rows. The
three points after the audit kill it (SIGKILL).
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from pyspark.sql import DataFrameWriter

from bert_spark.runs import publish
from bert_spark.storage import Folder
from jobs import score

write_parquet = DataFrameWriter.parquet
remove_name = Folder.remove


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_publishing(spark, rows, output, partition):
    """Write an incomplete partition in place of the staged one, then die."""
    rows.limit(1).write.mode("overwrite").parquet(f"{output.path}/{partition}")
    die()


def die_after_the_first_removed_batch(folder, name):
    """Remove what is asked for; die after the first staged batch."""
    remove_name(folder, name)
    if name.startswith("batch="):
        die()


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


point, *options = sys.argv[1:]
if point == "between audit and publish":
    publish._publish = die
elif point == "during publish":
    publish.replace_partition = die_while_publishing
elif point == "during removal":
    Folder.remove = die_after_the_first_removed_batch
else:
    stop_while_writing(point)
sys.exit(score.main(options))
