"""Pack this Python with all that is installed in it into one archive that runs on another machine of the same kind.

What a virtual environment calls its Python is a link to this machine's. Here the interpreter, its standard library
and the packages are copied; a small script starts it from wherever it lies. Needs the standard library only.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

NAME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LIBRARY = f"lib/{NAME}"
# Spark brings its own jars and the job's code comes with --py-files; tests and caches are of no use.
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|pyspark/jars|ensurepip|idlelib|test|site-packages/pip)(/|$)|\.pth$|__editable__"
)
START = f"""#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONHOME="$here" PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}$here/{LIBRARY}/site-packages"
export LD_LIBRARY_PATH="$here/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$here/bin/{NAME}" "$@"
"""


def tree(folder: Path, below: str) -> Iterator[tuple[Path, str]]:
    """Yield each file under `folder` that is worth taking, and its name in the archive."""
    for path in sorted(folder.rglob("*")):
        name = f"{below}/{path.relative_to(folder).as_posix()}"
        if path.is_file() and not LEFT_OUT.search(name):
            yield path, name


def own_libraries(program: Path) -> Iterator[Path]:
    """Yield the libpython that the interpreter is linked to, where it is not built in."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    yield from (Path(found) for found in re.findall(r"libpython\S* => (\S+)", listed))


def contents() -> Iterator[tuple[Path, str]]:
    """Yield every file of the archive: the interpreter, its library, the installed packages."""
    program = Path(sys.executable).resolve()
    yield program, f"bin/{NAME}"
    yield from ((library, f"lib/{library.name}") for library in own_libraries(program))
    standard = Path(sysconfig.get_path("stdlib"))
    for path, name in tree(standard, LIBRARY):
        if "/site-packages/" not in name and "/dist-packages/" not in name:
            yield path, name
    for place in dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")):
        yield from tree(Path(place), f"{LIBRARY}/site-packages")


def pack(target: Path) -> None:
    """Write the archive, whole or not at all."""
    part = target.with_suffix(".part")
    with gzip.open(part, "wb", compresslevel=1) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("bin/python", "bin/python3"):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(START), 0o755
            archive.addfile(entry, io.BytesIO(START.encode()))
        for path, name in contents():
            archive.add(path.resolve(), name, recursive=False)
    os.replace(part, target)


if __name__ == "__main__":
    goal = Path(sys.argv[1]).resolve()
    goal.parent.mkdir(parents=True, exist_ok=True)
    pack(goal)
    print(f"{goal}  {goal.stat().st_size / 1e6:.0f} MB, {NAME}")
