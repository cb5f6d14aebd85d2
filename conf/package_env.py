"""Pack this Python and its packages into one archive that runs on another machine of the same kind.

A virtual environment only links to the Python of its machine. This archive holds copies of the interpreter, its
standard library and the packages, and a script that starts it from any folder. Needs the standard library only.
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
# Spark has its own jars, and the job's code comes with --py-files. Tests and caches are not needed.
EXCLUDED = re.compile(
    r"(^|/)(__pycache__|pyspark/jars|ensurepip|idlelib|test|site-packages/pip)(/|$)|\.pth$|__editable__"
)
START = f"""#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONHOME="$here" PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}$here/{LIBRARY}/site-packages"
export LD_LIBRARY_PATH="$here/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$here/bin/{NAME}" "$@"
"""


def files_to_pack(folder: Path, archive_folder: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of `folder` that is packed, with its name in the archive."""
    for path in sorted(folder.rglob("*")):
        name = f"{archive_folder}/{path.relative_to(folder).as_posix()}"
        if path.is_file() and not EXCLUDED.search(name):
            yield path, name


def python_libraries(program: Path) -> Iterator[Path]:
    """Yield the libpython that the interpreter is linked to. A static build has none."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    yield from (Path(path) for path in re.findall(r"libpython\S* => (\S+)", listed))


def contents() -> Iterator[tuple[Path, str]]:
    """Yield every file of the archive with its name there: interpreter, standard library, installed packages."""
    program = Path(sys.executable).resolve()
    yield program, f"bin/{NAME}"
    yield from ((library, f"lib/{library.name}") for library in python_libraries(program))
    standard = Path(sysconfig.get_path("stdlib"))
    for path, name in files_to_pack(standard, LIBRARY):
        if "/site-packages/" not in name and "/dist-packages/" not in name:
            yield path, name
    for folder in dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")):
        yield from files_to_pack(Path(folder), f"{LIBRARY}/site-packages")


def pack(target: Path) -> None:
    """Write the archive atomically."""
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
    target = Path(sys.argv[1]).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    pack(target)
    print(f"{target}  {target.stat().st_size / 1e6:.0f} MB, {NAME}")
