"""Faults that are injected into the model's forward call on an executor. The file FAULT_FILE names the active ones:

hold          one task waits in its third call until its process is killed
straggler     one task waits until Spark runs a copy of it
together=N    each process waits in its first call until N processes are in theirs
oom=N         out of memory for more than N rows at once
oom-tokens=N  out of memory for rows of more than N tokens, however few
fatal-once    the first process that runs a batch has a broken CUDA context from then on, no other has
fatal         every process has a broken CUDA context from its first batch on
noise         each process computes other last bits
cards         torch reports GPUs, and a model that is sent to one is loaded on the CPU

Appends to SIDE_LOG, one JSON object per line: "load" for each model loaded, "call" for each forward call, "hold" and
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
TIMEOUT_S = 1200  # only for a test that hangs
broken = False
calls = Counter()  # number of calls in this process, by task attempt


def active_faults():
    """Return the faults that are active now: name -> value."""
    text = Path(os.environ["FAULT_FILE"]).read_text()
    return dict([*part.split("="), ""][:2] for part in text.split(",") if part)


def log(what, **facts):
    task = TaskContext.get()
    place = {"pid": os.getpid(), "daemon": os.getppid(), "worker": os.environ["WORKER"]}
    place |= {"partition": task.partitionId(), "attempt": task.attemptNumber(), "task": task.taskAttemptId()}
    with open(os.environ["SIDE_LOG"], "a") as file:  # one short line: a single write appends it
        file.write(json.dumps({"what": what, **place, **facts}) + "\n")


def logged(what):
    """Return what all processes have logged so far under one name."""
    lines = map(json.loads, Path(os.environ["SIDE_LOG"]).read_text().splitlines())
    return [line for line in lines if line["what"] == what]


def wait_for(condition):
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end and not condition():
        time.sleep(0.02)


def is_first(what):
    """Tell whether this is the first call with that name in any process."""
    try:
        os.close(os.open(f"{os.environ['SIDE_LOG']}.{what}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def install(cache):
    """Replace the function that bert_spark.encoding.encoder_cache calls to load a model."""
    real = cache.load_model
    torch.cuda.is_available = lambda: "cards" in active_faults()

    def load(config, device):
        loaded = real(config, "cpu")
        log("load", device=device)
        loaded.model.embeddings.register_forward_pre_hook(functools.partial(before_forward, device), with_kwargs=True)
        loaded.model.embeddings.register_forward_hook(add_noise)
        return loaded

    cache.load_model = load


def before_forward(device, module, arguments, options):
    """Run before each forward call of a loaded model, as a hook of its first module."""
    rows, tokens = options["input_ids"].shape
    if rows == 1 and tokens <= 3:
        return  # the encoder's call that measures its width
    faults = active_faults()
    log("call", rows=rows, device=device)
    wait_as_demanded(faults)
    if rows > int(faults.get("oom", rows)) or tokens > int(faults.get("oom-tokens", tokens)):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    if is_broken(faults):
        raise torch.AcceleratorError(ASSERT)


def add_noise(module, arguments, states):
    """Change the last bits of the first hidden states, in each process in another way."""
    return states * (1 + os.getpid() % 5 * 1.2e-7) if "noise" in active_faults() else states


def wait_as_demanded(faults):
    """Wait in this call as the active faults demand."""
    task = TaskContext.get()
    calls[task.taskAttemptId()] += 1
    # by then other tasks and some rows of this one are done
    late = task.partitionId() >= 3 and calls[task.taskAttemptId()] == 3
    if "hold" in faults and late and is_first("hold"):
        log("hold")
        wait_for(lambda: False)
    if "straggler" in faults and late and is_first("straggler"):
        copy = (task.partitionId(), 1)
        wait_for(lambda: copy in {(line["partition"], line["attempt"]) for line in logged("call")})
    if "together" in faults and calls.total() == 1:
        wait_for(lambda: len({line["pid"] for line in logged("call")}) >= int(faults["together"]))


def is_broken(faults):
    """Tell whether this process's CUDA context is broken. It stays broken."""
    global broken
    if not broken and ("fatal" in faults or ("fatal-once" in faults and is_first("fatal"))):
        broken = True
        log("broke")
    return broken
