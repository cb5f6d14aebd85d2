"""Run each benchmark in a process of its own and print one table of all bars.

python -m tests.benchmarks --texts tweets.csv --column content --json output/bench
"""

import json
import subprocess
import sys
import time
from pathlib import Path

NAMES = (
    "labels",
    "encoder",
    "int8",
    "output_path",
    "spark_job",
    "stored_vectors",
    "many_artefacts",
    "baseline",
    "scaling",
    "workers",
    "nights",
    "sync",
    "engines",
    "card",
    "gpu",
)


def main():
    options = sys.argv[1:]
    if "--json" not in options:
        options += ["--json", "output/bench"]
    folder = Path(options[options.index("--json") + 1])
    for name in NAMES:
        (folder / f"{name}.json").unlink(missing_ok=True)  # otherwise a module that fails would show older figures
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-W", "ignore", "-m", f"tests.benchmarks.{name}", *options])
        print(f"{name}: exit code {done.returncode}, {time.monotonic() - started:.0f} s", flush=True)
    bars = [(file.stem, bar) for file in sorted(folder.glob("*.json")) for bar in json.loads(file.read_text())["bars"]]
    print(f"\n{'benchmark':12}  {'what':50}  {'figure':>9}  {'bound':>14}")
    for name, bar in bars:
        met = "met" if bar["met"] else "NOT MET"
        print(f"{name:12}  {bar['what']:50}  {bar['figure']:9.3f}  {bar['bound']:>14}  {met}")


if __name__ == "__main__":
    main()
