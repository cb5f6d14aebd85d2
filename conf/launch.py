"""The commands that spark-submit.sh runs in Python: take a lock, check requirements, zip the package, find Spark.

Needs the standard library and `packaging` only. Imports no heavy module: a call takes a fraction of a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold; a fixed time makes the zip reproducible


def unmet_requirements(lines: list[str], extras: set[str]) -> Iterator[str]:
    """Yield each requirement that is not installed, markers evaluated with these extras."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield str(requirement)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{requirement} (has {version})"
        if requirement.extras:
            yield from unmet_requirements(metadata.requires(requirement.name) or [], requirement.extras)


def meets(extras: list[str]) -> str:
    """Return this interpreter's path if it meets pyproject.toml. Otherwise exit with what it lacks.

    The environment that spark-submit.sh has made for this checkout never counts: it installs the exact pins into it.
    """
    own = Path(os.environ.get("BERT_SPARK_VENV") or ROOT / ".venv").resolve()
    if Path(sys.prefix).resolve() == own and (own / ".bert_spark").exists():
        sys.exit("the checkout's own environment")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    missing = list(unmet_requirements(lines, {""}))
    if missing:
        sys.exit(f"{sys.executable} lacks {', '.join(missing)}")
    return sys.executable


def build_folder() -> Path:
    """Return the folder for the zip: `temp/` of the checkout, or a temporary folder if that path is not safe.

    Spark splits `--py-files` at commas and reads each part as a URI. Only a plain path is safe.
    """
    if os.access(ROOT, os.W_OK) and re.fullmatch(r"[A-Za-z0-9/._-]+", str(ROOT)):
        folder = ROOT / "temp"
        folder.mkdir(exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"bert_spark-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        sys.exit(f"{folder} belongs to someone else; set TMPDIR to a folder of your own")
    return folder


def package_zip() -> Path:
    """Return the path of a zip of `bert_spark`, which is made only if the package has changed.

    The name holds a digest of the content. A new version never replaces the file of a running job.
    """
    files = [path for path in sorted((ROOT / "bert_spark").rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    contents = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}
    digest = hashlib.sha256(repr(contents).encode()).hexdigest()
    target = build_folder() / f"bert_spark-{digest[:12]}.zip"
    if not target.exists():
        write_zip(contents, target)
    return target


def write_zip(contents: dict[str, bytes], target: Path) -> None:
    """Write `contents` (name in the archive -> bytes) to `target` atomically."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        for path, content in contents.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), content, zipfile.ZIP_DEFLATED)
    os.chmod(name, 0o644)
    os.replace(name, target)


def spark_home() -> str:
    """Return the folder of the installed pyspark, which is a complete Spark."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        sys.exit(f"{sys.executable} has no pyspark")
    return str(Path(spec.origin).parent)


def lock(descriptor: int) -> None:
    """Lock a file that the calling shell has open. The lock belongs to the open file and outlives this process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another start is installing; waiting for it", file=sys.stderr)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "lock":
        lock(int(arguments[0]))
    elif command == "meets":
        print(meets(arguments[0].split(",")))
    elif command == "zip":
        print(package_zip())
    elif command == "spark-home":
        print(spark_home())
    else:
        sys.exit(f"got {command!r}, expected lock, meets, zip or spark-home")
