"""What goes wrong on an executor at the model's own forward call, as the file FAULT_FILE says at that moment:

hold          one task waits in its third call until its process is dead
straggler     one task waits until Spark runs a copy of it
together=N    each process waits in its first call until N processes are in theirs
oom=N         out of memory for more than N rows at once
oom-tokens=N  out of memory for rows of more than N tokens, however few
fatal-once    the first process that runs a batch breaks for ever, no other does
fatal         every process breaks at its first batch
cards         torch believes in cards, and models that are sent to one go to the CPU

Appends to SIDE_LOG, one JSON object a line: "load" for each model loaded, "call" for each forward call, "hold" and
"broke".
"""

import functools
import json
import os
import time
from collections import Counter
from pathlib import Path

import torch
from pyspark import TaskContext

ASSERT = "CUDA error: device-side assert triggered"
GIVE_UP_S = 120
broken = False
calls = Counter()  # of this process, by task attempt


def wanted():
    """Return the faults that are asked for now: name -> value."""
    text = Path(os.environ["FAULT_FILE"]).read_text()
    return dict([*part.split("="), ""][:2] for part in text.split(",") if part)


def log(what, **facts):
    task = TaskContext.get()
    place = {"pid": os.getpid(), "daemon": os.getppid(), "worker": os.environ["WORKER"]}
    place |= {"partition": task.partitionId(), "attempt": task.attemptNumber(), "task": task.taskAttemptId()}
    with open(os.environ["SIDE_LOG"], "a") as file:  # one short line: appended whole
        file.write(json.dumps({"what": what, **place, **facts}) + "\n")


def seen(what):
    """Return what all processes have logged by now under one name."""
    lines = map(json.loads, Path(os.environ["SIDE_LOG"]).read_text().splitlines())
    return [line for line in lines if line["what"] == what]


def wait_for(condition):
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end and not condition():
        time.sleep(0.02)


def first(what):
    """Tell whether no process has asked this before."""
    try:
        os.close(os.open(f"{os.environ['SIDE_LOG']}.{what}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def arm(cache):
    """Change what bert_spark.encoding.encoder_cache calls to load a model."""
    real = cache.load_model
    torch.cuda.is_available = lambda: "cards" in wanted()

    def load(config, device):
        loaded = real(config, "cpu")
        log("load", device=device)
        loaded.model.embeddings.register_forward_pre_hook(functools.partial(before, device), with_kwargs=True)
        return loaded

    cache.load_model = load


def before(device, module, arguments, options):
    """Run before each forward call of a loaded model: its first step, whatever goes on from there."""
    rows, tokens = options["input_ids"].shape
    if rows == 1 and tokens <= 3:
        return  # the encoder's own probe
    faults = wanted()
    log("call", rows=rows, device=device)
    wait(faults)
    if rows > int(faults.get("oom", rows)) or tokens > int(faults.get("oom-tokens", tokens)):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    if breaks(faults):
        raise torch.AcceleratorError(ASSERT)


def wait(faults):
    """Wait in this call for what the faults name."""
    task = TaskContext.get()
    calls[task.taskAttemptId()] += 1
    late = task.partitionId() >= 3 and calls[task.taskAttemptId()] == 3  # some tasks are done, some rows of this one
    if "hold" in faults and late and first("hold"):
        log("hold")
        wait_for(lambda: False)
    if "straggler" in faults and late and first("straggler"):
        mine = (task.partitionId(), 1)
        wait_for(lambda: mine in {(line["partition"], line["attempt"]) for line in seen("call")})
    if "together" in faults and calls.total() == 1:
        wait_for(lambda: len({line["pid"] for line in seen("call")}) >= int(faults["together"]))


def breaks(faults):
    """Tell whether this process's context is broken; a broken one stays so."""
    global broken
    if not broken and ("fatal" in faults or ("fatal-once" in faults and first("fatal"))):
        broken = True
        log("broke")
    return broken
