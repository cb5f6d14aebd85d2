"""What goes wrong on an executor, as the variable FAULT says, at the model's own forward call:

slow=S       each call takes S seconds more
straggler=S  one call of all takes S seconds more
oom=N        out of memory for more than N rows at once
oom-tokens=N out of memory for rows of more than N tokens, however few
fatal-once   the first process that runs a batch breaks for ever, no other does
fatal        every process breaks at its first batch
cards        torch believes in cards, and models that are sent to one go to the CPU

Logs "load PID DEVICE DAEMON" for each model loaded and "call PID ROWS" for each forward call.
"""

import os
import time

import torch

ASSERT = "CUDA error: device-side assert triggered"
wanted = dict([*part.split("="), ""][:2] for part in os.environ.get("FAULT", "").split(",") if part)
broken = False


def log(*words):
    with open(os.environ["SIDE_LOG"], "a") as file:  # one short line: appended whole
        file.write(" ".join(map(str, words)) + "\n")


def arm(cache):
    """Change what bert_spark.cache calls to load a model."""
    real = cache.load
    if "cards" in wanted:
        torch.cuda.is_available = lambda: True

    def load(config, device):
        loaded = real(config, "cpu")
        log("load", os.getpid(), device, os.getppid())
        loaded.model.register_forward_pre_hook(before, with_kwargs=True)
        return loaded

    cache.load = load


def before(module, arguments, options):
    """Run before each forward call of a loaded model."""
    rows, tokens = options["input_ids"].shape
    if rows == 1 and tokens <= 3:
        return  # the encoder's own probe
    log("call", os.getpid(), rows)
    time.sleep(float(wanted.get("slow", 0)))
    if "straggler" in wanted and first("straggler"):
        time.sleep(float(wanted["straggler"]))
    if rows > int(wanted.get("oom", rows)) or tokens > int(wanted.get("oom-tokens", tokens)):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    if breaks():
        raise torch.AcceleratorError(ASSERT)


def first(what):
    """Tell whether no process has asked this before."""
    try:
        os.close(os.open(f"{os.environ['SIDE_LOG']}.{what}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def breaks():
    """Tell whether this process's context is broken; a broken one stays so."""
    global broken
    if not broken and ("fatal" in wanted or ("fatal-once" in wanted and first("fatal"))):
        broken = True
        log("broke", os.getpid())
    return broken
