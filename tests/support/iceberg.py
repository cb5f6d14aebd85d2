"""Iceberg for the tests: its jar, of the variable ICEBERG_JARS or of a package on PyPI, and catalogs in a folder.

The package is for Spark 3.5 with Scala 2.12. Its jar comes without Jackson, which Iceberg expects under a package name
of its own: the classes are those of pyspark's Jackson, renamed.
"""

import importlib.util
import os
import secrets
import struct
import zipfile
from importlib import metadata
from pathlib import Path

PACKAGE = "snowpark_connect_deps_iceberg"
RUNTIME = "jars/iceberg-spark-runtime-3.5_2.12-*.jar"
JACKSON = "com/fasterxml/jackson"
RENAMED = f"org/apache/iceberg/shaded/{JACKSON}"
_UTF8 = 1
_BYTES_OF = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_TAKES_TWO_PLACES = (5, 6)  # long and double


def jars():
    """Return the jars that were found, separated by commas; None if there are none."""
    return os.environ.get("ICEBERG_JARS") or _of_package()


def session_settings(folder):
    """Return the settings of a session with Iceberg, none without its jar. What is made is written to `folder`."""
    found = jars()
    if not found:
        return {}
    if not any(_has_jackson(jar) for jar in found.split(",")):
        found = f"{found},{renamed_jackson(Path(folder) / 'iceberg-jackson.jar')}"
    return {
        "spark.jars": found,
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }


def add_catalog(spark, folder):
    """Add a catalog whose tables are in `folder` to a session, and return its name."""
    name = f"ice_{secrets.token_hex(4)}"
    settings = {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "hadoop", ".cache-enabled": "false"}
    for setting, value in (settings | {".warehouse": str(folder)}).items():
        spark.conf.set(f"spark.sql.catalog.{name}{setting}", value)
    return name


def _of_package():
    if not metadata.version("pyspark").startswith("3.5."):
        return None
    package = importlib.util.find_spec(PACKAGE)
    found = sorted(Path(package.origin).parent.glob(RUNTIME)) if package else []
    return str(found[0]) if found else None


def _has_jackson(jar):
    with zipfile.ZipFile(jar) as archive:
        return f"{RENAMED}/core/JsonGenerator.class" in archive.namelist()


def renamed_jackson(target):
    """Write pyspark's Jackson to a jar, under the package name that Iceberg expects; return its path."""
    jars = Path(importlib.util.find_spec("pyspark").origin).parent / "jars"
    with zipfile.ZipFile(target, "w") as renamed:
        for part in ("annotations", "core", "databind"):
            (jar,) = jars.glob(f"jackson-{part}-[0-9]*.jar")
            with zipfile.ZipFile(jar) as archive:
                for name in archive.namelist():
                    if name.startswith(JACKSON) and name.endswith(".class"):
                        renamed.writestr(name.replace(JACKSON, RENAMED), renamed_class(archive.read(name)))
    return target


def renamed_class(data):
    """Return a class file in which every text that names Jackson's package names the renamed one.

    Texts are in the constant pool, which follows 8 bytes and its number of places plus one (Java Virtual Machine
    Specification, sections 4.1 and 4.4).
    """
    (places,) = struct.unpack_from(">H", data, 8)
    parts, start, place = [data[:10]], 10, 1
    while place < places:
        kind = data[start]
        if kind == _UTF8:
            (length,) = struct.unpack_from(">H", data, start + 1)
            text = data[start + 3 : start + 3 + length]
            for separator in ("/", "."):
                text = text.replace(*(name.replace("/", separator).encode() for name in (JACKSON, RENAMED)))
            parts.append(struct.pack(">BH", kind, len(text)) + text)
            start += 3 + length
        else:
            parts.append(data[start : start + 1 + _BYTES_OF[kind]])
            start += 1 + _BYTES_OF[kind]
        place += 2 if kind in _TAKES_TWO_PLACES else 1
    return b"".join([*parts, data[start:]])
