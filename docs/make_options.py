"""Write docs/jobs-and-options.md from the settings classes, the errors and the texts in this file.

Run it after a change of a setting:

    ./spark-submit.sh exec python docs/make_options.py

`tests/test_docs.py` compares the page with what this file makes.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bert_spark import errors  # noqa: E402
from bert_spark.cli.job_sections import JOB_SECTIONS  # noqa: E402

PAGE = ROOT / "docs" / "jobs-and-options.md"

HEAD = """\
<!-- Made by docs/make_options.py from the settings classes. Do not edit: change that file or the class, and run it. -->

# Jobs and options

There are seven jobs. Each is a Python file in `jobs/`, and a command of the wheel.

| job | command of the wheel | what it does |
|---|---|---|
| [`jobs/embed.py`](#embed) | `bert-spark-embed` | adds a BERT vector to every row of a table |
| [`jobs/train.py`](#train) | `bert-spark-train` | trains a classifier on the vectors and judges it on held-out rows |
| [`jobs/score.py`](#score) | `bert-spark-score` | adds the classifier's label to every row of a table |
| [`jobs/search.py`](#search) | `bert-spark-search` | tries poolings, penalties and class weights by cross-validation |
| [`jobs/history.py`](#history) | `bert-spark-history` | shows the last runs into an output |
| [`jobs/inspect.py`](#inspect) | `bert-spark-inspect` | shows how a table is read and what it holds, before BERT runs |
| [`jobs/calibrate.py`](#calibrate) | `bert-spark-calibrate` | writes a copy of a model for 8-bit integers on CPUs |

From a checkout, `spark-submit.sh` starts a job. Options before the job's name are options of spark-submit. Options
after it are options of the job:

    ./spark-submit.sh --master spark://HOST:7077 jobs/embed.py --input tweets.csv --output embeddings

A plain `spark-submit jobs/embed.py` works too, in an environment that has the requirements of `pyproject.toml`.

`--help` lists a job's options. Every job also has two options that belong to no section:

| option | meaning |
|---|---|
| `--config FILE` | read settings from this TOML file |
| `--check` | check all executors, print a table, and stop; not for `history`, `inspect` and `calibrate` |

## Where settings come from

A setting has three sources. An option overrides the TOML file. The TOML file overrides the default.

    ./spark-submit.sh jobs/embed.py --config settings.toml --output other_embeddings

with `settings.toml`:

```toml
[input]
path = "./tweets.csv"
text_column = "content"

[encoder]
max_length = 60

[output]
path = "/data/embeddings"

[spark]
"spark.sql.session.timeZone" = "UTC"
```

- Without any option, or with `--check` alone, a job reads `conf/local.toml` of the checkout. The wheel has no such
  file.
- One file may hold the sections of several jobs. A job reads its own sections.
- An unknown section is an error. An unknown key in a section of the job is an error too. Both end with exit code 2.
- A path that starts with `./` or `../` is relative to the folder of the TOML file. All other paths are relative
  to the folder in which the job was started.
- Most settings can be set both ways. `[head] options` can be set in TOML only.
- A switch has two options: `--diagnostics` sets it to on, `--no-diagnostics` to off. In TOML write `true` or `false`.
- `[spark]` holds settings of Spark itself, each by its whole name. These settings apply when the job starts its own
  Spark session. An active session keeps its own.

## Exit codes

"""

MEANINGS = {
    0: "Done. This includes a run that found nothing to do.",
    1: "Failed. The log says why.",
    2: "A setting or option is wrong.",
    3: "The machine, the environment or the Spark configuration lacks something.",
    4: "The result is outside the limits. It was not published.",
    5: "There was nothing to do, and `--require-input` was set.",
}

AFTER_CODES = """\
[Troubleshooting](troubleshooting.md) explains the messages. [Scheduled runs](scheduled-runs.md#exit-codes-by-scheduler)
explains what a scheduler sees of these codes.
"""

JOBS = {
    "embed": """\
Reads a table, adds the columns `embedding` and `error`, and writes a table with the same rows. With `--diagnostics` it
also adds `token_count`, `truncated` and `unknown_share`. A row without a vector says in `error` why.

    ./spark-submit.sh jobs/embed.py
    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings
    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings --estimate 4000
    ./spark-submit.sh jobs/embed.py --input tweets/ --format json --output vectors --incremental --checkpoint seen

The first line embeds the sample tweets of the checkout. The third encodes a sample, prints how long the whole input
would take, and stops. The last embeds the files that are new since the last run: see
[Scheduled runs](scheduled-runs.md).
""",
    "train": """\
Embeds labelled texts, or takes the vectors that the input holds, and fits a classifier. It splits the rows 70 / 15 /
15 by a hash of the text, so that a text is in one split only. It prints reports for the validation and test rows and
writes an artefact. See [Training and report](training-and-report.md).

    ./spark-submit.sh jobs/train.py
    ./spark-submit.sh jobs/train.py --input tweets.csv --text-column content --label-column sentiment --output artefact
    ./spark-submit.sh jobs/train.py --input ./embeddings --label-column sentiment --output artefact

The last line reads an output of `jobs/embed.py`: see [stored vectors](texts-and-tables.md#stored-vectors). If those
vectors are Parquet files that this machine can read, the job starts no Spark. With `--embeddings`, another way to name
that input, the options of section `encoder` have no effect.
""",
    "score": """\
Loads an artefact and adds `label`, `margin` and `error` to every row of a table. `margin` is the value of the chosen
class in the decision function, or its probability if the artefact is calibrated.

    ./spark-submit.sh jobs/score.py
    ./spark-submit.sh jobs/score.py --artefact artefact --input tweets.csv --text-column content --output scores
    ./spark-submit.sh jobs/score.py --artefact artefact --input ./embeddings --output scores
    ./spark-submit.sh jobs/score.py --artefact artefact --input tweets.csv --text-column content --truth sentiment \\
        --output scores
    ./spark-submit.sh jobs/score.py --artefact artefact --input tweets --date-column day --output daily \\
        --run-date 2026-11-24

The artefact says which encoder to use, so this job has no options for it. The third command reads an output of
`jobs/embed.py`, without BERT: see [stored vectors](texts-and-tables.md#stored-vectors). The fourth compares the labels
with those that are there. The last command publishes one day: see [Scheduled runs](scheduled-runs.md).
""",
    "search": """\
Embeds the texts once for all poolings and tries every combination of pooling, penalty and class weight by
cross-validation on the training split. It judges the best combination on the held-out rows. It writes `search.json` and
`best.toml` to the folder `--output`, over earlier files of these names.

    ./spark-submit.sh jobs/search.py --input tweets.csv --text-column content --label-column sentiment --output search
    ./spark-submit.sh jobs/train.py --config search/best.toml --output artefact

The grid replaces `C` and `class_weight` of `[head] options`. Set poolings with `--poolings`: another `--pooling` is
refused. `--overwrite` is not needed.

`best.toml` holds the best candidate and all other settings of the search, those of the input and of Spark too:
`jobs/train.py --config search/best.toml --output artefact` trains the candidate that the search evaluated. The search
itself does nothing with `--baseline`, `--examples`, `--bundle` and `--mlflow`. It passes them on in `best.toml`.

If the search read `--embeddings`, and the best pooling is only a part of the stored vectors, the training runs BERT
on the texts beside them.
""",
    "history": """\
Prints a table of the last runs into an output: when, which job, which partition, how it ended, how many rows. It
starts no Spark.

    ./spark-submit.sh exec python jobs/history.py --output scores
    ./spark-submit.sh exec python jobs/history.py --output main.default.scores --work /data/work

It reads the records in the folder `_manifests` beside the output, or in `--work`. See
[Scheduled runs](scheduled-runs.md#the-history-of-an-output).
""",
    "inspect": """\
Shows how a table is read, what its columns hold, and what the tokenizer makes of its texts. Prints the commands that
embed the table and train on it. It reads all records and never runs BERT.

    ./spark-submit.sh jobs/inspect.py --input tweets.csv
    ./spark-submit.sh jobs/inspect.py --input tweets/ --label-column sentiment --max-length 40 --examples

See [a look before BERT runs](texts-and-tables.md#a-look-before-bert-runs).
""",
    "calibrate": """\
Copies a model, and stores in the copy the ranges that 8-bit integers need. The driver alone measures them, in float32,
on texts of the input. `--precision` and `--engine` have no effect.

    ./spark-submit.sh jobs/calibrate.py --input tweets.csv --text-column content --output minilm-int8
    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings \\
      --model minilm-int8 --engine openvino --precision int8

See [8-bit integers](speed.md#8-bit-integers).
""",
}

NOTES = {
    "output": "A scheduled run replaces its own partition. It refuses `--overwrite` and `--append`.",
    "schedule": "With `--run-date`, `--from` or `--incremental` the run is a [scheduled run](scheduled-runs.md).",
    "limits": "Only scheduled runs apply the limits. Any other run ignores them.",
    "train": "In `jobs/search.py` the option `--output` is the folder for the result of the search.",
}

SECTIONS_HEAD = """\
## Options by section

Each table is one section of the TOML file. The column "key" is the name in TOML.
"""


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def sections_by_kind() -> dict[type, dict[str, list[str]]]:
    """Return settings class -> name of a section -> jobs that have it. One class may stand for two sections."""
    found: dict[type, dict[str, list[str]]] = {}
    for job, sections in JOB_SECTIONS.items():
        for section, kind in sections.items():
            found.setdefault(kind, {}).setdefault(section, []).append(job)
    return found


def heading(names: dict[str, list[str]]) -> str:
    """Return the heading of a section's table."""
    return f"Section {' and section '.join(names)}"


def flags(spec: dataclasses.Field[Any], hint: Any) -> list[str]:
    """Return the options that set a field; none for a field that only TOML can set."""
    if spec.default is dataclasses.MISSING:
        return []
    flag = spec.metadata["flag"] or "--" + spec.name.replace("_", "-")
    if bool in (hint, *typing.get_args(hint)):
        return [flag, f"--no-{flag.removeprefix('--')}"]
    return [flag, "--overwrite", "--append"] if spec.name == "if_exists" else [flag, *spec.metadata["aliases"]]


def settings(kind: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    """Yield each field of a settings class that a user can set, and its type."""
    hints = typing.get_type_hints(kind)
    for spec in dataclasses.fields(kind):
        if spec.init and spec.metadata:
            yield spec, hints[spec.name]


def row(spec: dataclasses.Field[Any], hint: Any) -> str:
    """Return one line of a section's table."""
    options = ", ".join(f"`{flag}`" for flag in flags(spec, hint)) or "in TOML only"
    key = spec.metadata.get("key") or spec.name
    meaning = spec.metadata["help"].replace("|", r"\|")
    return f"| {options} | `{key}` | {_default(spec)} | {_values(spec, hint)} | {meaning} |"


def _default(spec: dataclasses.Field[Any]) -> str:
    value = spec.default if spec.default is not dataclasses.MISSING else spec.default_factory()  # type: ignore[misc]
    if value in (None, ()):
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return "`{ " + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + " }`"
    return f"`{value}`"


def _values(spec: dataclasses.Field[Any], hint: Any) -> str:
    if spec.metadata["choices"]:
        return ", ".join(f"`{choice}`" for choice in spec.metadata["choices"])
    kinds = (typing.get_origin(hint), *typing.get_args(hint), hint)  # dict[str, Any], str | None or str
    names = {dict: "table", tuple: "texts", bool: "on, off", int: "whole number", float: "number", str: "text"}
    return next(names[kind] for kind in kinds if kind in names)


def section_table(kind: type, names: dict[str, list[str]]) -> str:
    """Return one section: heading, jobs, options."""
    used = [f"`[{section}]` in {', '.join(f'`jobs/{job}.py`' for job in jobs)}" for section, jobs in names.items()]
    note = " ".join(["; ".join(used) + ".", *(NOTES[section] for section in names if section in NOTES)])
    head = "| option | key | default | values | meaning |\n|---|---|---|---|---|"
    return "\n".join([f"### {heading(names)}\n\n{_wrapped(note)}\n", head, *(row(*one) for one in settings(kind))])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def exit_codes() -> str:
    """Return the table of exit codes, with the errors that end in each."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    codes = {code: sorted(kind.__name__ for kind in kinds if kind.exit_code == code) for code in MEANINGS}
    unknown = {kind.exit_code for kind in kinds} - set(MEANINGS)
    if unknown:
        raise SystemExit(f"exit codes {sorted(unknown)} of bert_spark/errors.py have no meaning in {__file__}: add it")
    lines = [
        f"| {code} | {MEANINGS[code]} | {', '.join(f'`{name}`' for name in names) or '-'} |"
        for code, names in codes.items()
    ]
    return "\n".join(["| code | meaning | errors |", "|---|---|---|", *lines]) + "\n"


def job_chapter(name: str) -> str:
    """Return the chapter of one job: what it does, its commands, its sections."""
    places = {section: heading(names) for names in sections_by_kind().values() for section in names}
    links = [f"[`[{section}]`](#{slug(places[section])})" for section in JOB_SECTIONS[name]]
    return f"## {name.capitalize()}\n\n{JOBS[name]}\n{_wrapped('Sections: ' + ', '.join(links))}.\n"


def page() -> str:
    """Return the whole page."""
    chapters = [job_chapter(name) for name in JOBS]
    tables = [section_table(kind, names) for kind, names in sections_by_kind().items()]
    return "\n".join([HEAD + exit_codes(), AFTER_CODES, *chapters, SECTIONS_HEAD, "\n\n".join(tables)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
