"""The parts that all benchmarks share.

They are the texts, contenders that take turns within one run, a table of results, and a JSON file with figures, machine
and versions.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from bert_spark.encoding.linear_kernels import TORCH_KERNELS, kernels_for
from bert_spark.versions import installed, versions
from tests.support.paths import ROOT

PEERS = ("sentence-transformers", "optimum-intel", "optimum-onnx", "onnxruntime", "openvino")
MAX_LENGTH = 60
MODEL = os.environ.get("BENCHMARK_MODEL", "packaged:minilm-l6")
LEAST_SECONDS = 0.3  # of a measurement of the matrix-multiply limit
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")


def parse_arguments(doc, rows, rounds, **more):
    """Parse the command line of a benchmark. `more` are its own options with their defaults.

    --threads also limits the process to that many cores. Every library then uses that number of threads by itself.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", default=str(ROOT / "conf" / "sample_tweets.csv"), help="csv of tweets")
    parser.add_argument("--column", default="content", help="its column of texts")
    parser.add_argument("--rows", type=int, default=rows, help="texts in a round")
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds; each contender runs once in a round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="cores and threads to use")
    parser.add_argument("--json", help="folder for the JSON file")
    for name, default in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    torch.set_num_threads(args.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # for Spark's workers
    os.environ["PYTHONWARNINGS"] = "ignore"
    return args


def read_tweets(args, rows=None):
    """Return different texts from the file. If it has too few, texts repeat with a number appended."""
    import pandas as pd

    texts = pd.read_csv(args.texts, usecols=[args.column], dtype=str)[args.column].dropna().drop_duplicates()
    texts = texts.sample(frac=1, random_state=0).tolist()
    rows = rows or args.rows
    return [texts[i % len(texts)] + (f" {i // len(texts)}" if i >= len(texts) else "") for i in range(rows)]


def alternate(contenders, rounds):
    """Run each contender once to warm up, then in turns. Return name -> its figure in each round.

    What one has written is on the disk before the next one starts.
    """
    for run in contenders.values():
        run()
    figures = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            os.sync()
            figures[name].append(run())
    return figures


def rate(work, rows, prepare=lambda: None):
    """Return a contender that measures the rows per second of `work`, without those of `prepare` before it."""

    def run():
        prepare()
        started = time.perf_counter()
        work()
        return rows / (time.perf_counter() - started)

    return run


def matmul_limit(dtype=torch.float32, device="cpu", shape=(1024, 384, 1536)):
    """Return a contender that measures the GFLOP/s of a linear layer.

    The layer has the shape of a batch. States and weights do not change. The faster one of PyTorch's libraries counts.
    """
    rows, inner, columns = shape
    # random numbers, since a GPU clocks higher on constant ones
    states, layer = torch.randn(rows, inner).to(device, dtype), torch.nn.Linear(inner, columns).to(device, dtype)
    kernels = {TORCH_KERNELS.linear, kernels_for(device, dtype).linear}
    at_once = 1 if device == "cpu" else 300  # calls between two looks at the clock

    def measure(linear):
        wait_for(device)
        started, calls, seconds = time.perf_counter(), 0, 0.0
        with torch.inference_mode():
            while seconds < LEAST_SECONDS:
                for _ in range(at_once):
                    linear(layer, states)
                wait_for(device)
                calls, seconds = calls + at_once, time.perf_counter() - started
        return calls * 2 * rows * inner * columns / seconds / 1e9

    return lambda: max(measure(linear) for linear in kernels)


def wait_for(device):
    """Wait until the GPU has finished its work."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def operations(lengths, config):
    """Return the floating-point operations for texts of these token counts, the last layer for the CLS row only.

    A multiplication and an addition count as two. Linear layers of L tokens: query, key, value and output take 4 h^2,
    the feed-forward part 2 h i, each times 2 L. Attention: scores and context take 2 * 2 L^2 h. In the last layer only
    key and value are computed for all tokens. Padding, norms, softmax and GELU are not counted.
    """
    h, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    lengths = np.asarray(lengths, dtype=np.float64)
    full = 2 * lengths * (4 * h * h + 2 * h * inner) + 4 * lengths**2 * h
    last = 2 * lengths * 2 * h * h + 2 * (2 * h * h + 2 * h * inner) + 4 * lengths * h
    return float(((layers - 1) * full + last).sum())


def machine():
    """Return a description of this machine."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            info = dict(line.split(":", 1) for line in lines if ":" in line)
        info = {name.strip(): value.strip() for name, value in info.items()}
    except OSError:
        info = {}
    flags = info.get("flags", "").split()
    return {
        "cpu": f"{info.get('vendor_id', platform.processor())} {info.get('model name', '')}".strip(),
        "model": f"family {info.get('cpu family', '?')} model {info.get('model', '?')}",
        "instructions": [flag for flag in INSTRUCTIONS if flag in flags],
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "load_at_start": os.getloadavg()[0],
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


MACHINE = machine()  # before the benchmark itself adds load


def report(args, name, unit, figures, bars=(), **facts):
    """Print a table of medians and spreads, then the bars, and write everything to a JSON file.

    Parameters
    ----------
    figures
        Name of a contender -> its figure in each round.
    bars
        Goals, each (what, figure, "at least" or "at most", bound).
    facts
        Further entries of the JSON file.
    """
    rows = {
        who: {"median": statistics.median(each), "least": min(each), "most": max(each), "rounds": each}
        for who, each in figures.items()
    }
    width = max(map(len, [*rows, *(bar[0] for bar in bars)]))
    print(f"\n{name}: {unit}\n{'':{width}}  {'median':>10}  {'least':>10}  {'most':>10}")
    for who, row in rows.items():
        print(f"{who:{width}}  {row['median']:10,.1f}  {row['least']:10,.1f}  {row['most']:10,.1f}")
    checked = [
        {
            "what": what,
            "figure": figure,
            "bound": f"{sense} {bound}",
            "met": bool(figure >= bound if sense == "at least" else figure <= bound),
        }
        for what, figure, sense, bound in bars
    ]
    for bar in checked:
        print(
            f"{bar['what']:{width}}  {bar['figure']:10,.3f}  {bar['bound']:>14}  {'met' if bar['met'] else 'NOT MET'}"
        )
    for fact, value in facts.items():
        print(f"{fact}: {value}")
    if args.json:
        command = shlex.join([Path(sys.executable).name, "-m", f"tests.benchmarks.{name}", *sys.argv[1:]])
        about = {"benchmark": name, "command": command, "machine": MACHINE, "settings": vars(args), "unit": unit}
        content = about | {"versions": versions() | installed(PEERS), "figures": rows, "bars": checked, "facts": facts}
        folder = Path(args.json)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def ratio(figures, one, other):
    """Return the median over the rounds of `one`'s figure divided by `other`'s. A slow round slows both."""
    if one not in figures or other not in figures:
        return float("nan")
    return statistics.median(a / b for a, b in zip(figures[one], figures[other], strict=True))


def best(figures, names):
    """Return the contender with the largest median among `names`."""
    return max((name for name in names if name in figures), key=lambda name: statistics.median(figures[name]))
