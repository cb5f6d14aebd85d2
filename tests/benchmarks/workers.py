"""Measure the private memory of a second Python worker on a host. Workers share the weights: they map one file.

python -m tests.benchmarks.workers
"""

import subprocess
import sys

from bert_spark.encoding.model_files import weight_files
from bert_spark.encoding.model_resolver import resolve_model
from tests.benchmarks.harness import MODEL, alternate, parse_arguments, report

WORKER = """
import psutil, sys
from transformers import AutoTokenizer, BertConfig, BertModel
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.live_model import from_live_objects
from bert_spark.encoding.model_resolver import resolve_model

# A small model first: code, tokenizer and kernels take private memory in any worker, whatever the weights.
small = BertModel(BertConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64))
tokenizer = AutoTokenizer.from_pretrained(str(resolve_model(sys.argv[1])))
config = EncoderConfig(model=sys.argv[1], device="cpu", engine=sys.argv[2])
BertEncoder(from_live_objects(tokenizer, small), config).encode(["so happy today"])
process = psutil.Process()
before = process.memory_full_info().uss
encoder = BertEncoder.from_config(config)
encoder.encode(["so happy today"])
grown = process.memory_full_info().uss - before
mapped = [m for m in process.memory_maps(grouped=False) if m.path.endswith(".safetensors")]
print(grown, sum(m.private_clean + m.private_dirty for m in mapped), flush=True)
sys.stdin.readline()
"""


def worker(engine):
    """Start a worker; return its process and [private bytes taken by loading, private bytes of the mapped weights]."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, MODEL, engine],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    return process, [int(number) for number in process.stdout.readline().split()]


def second(engine):
    """Return a contender that measures the private MB that the second of two workers takes for its encoder."""

    def run():
        first, _ = worker(engine)
        other, (grown, mapped) = worker(engine)
        for process in (first, other):
            process.communicate("\n")
        measured[engine].append((grown, mapped))
        return grown / 1e6

    measured[engine] = []
    return run


measured = {}


def main():
    args = parse_arguments(__doc__, rows=1, rounds=3)
    weights = sum(path.stat().st_size for path in weight_files(resolve_model(MODEL))) / 1e6
    engines = ["torch"]
    try:
        import openvino  # noqa: F401

        engines.append("openvino")
    except ImportError:
        pass
    figures = alternate({engine: second(engine) for engine in engines}, args.rounds)
    bars = [(f"{engine}, of the weights", max(each) / weights, "at most", 0.30) for engine, each in figures.items()]
    private = {engine: max(mapped for _, mapped in each) for engine, each in measured.items()}
    facts = {"weights_mb": round(weights, 1), "private_bytes_of_the_map": private}
    report(args, "workers", "MB of its own that the second worker's encoder takes", figures, bars, **facts)


if __name__ == "__main__":
    main()
