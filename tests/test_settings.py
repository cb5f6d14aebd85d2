"""Settings are read from TOML, and every error names the file, the key or the value."""

import dataclasses

import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError
from bert_spark.runs.config import ScoreConfig
from bert_spark.settings import from_mapping, read_toml, settings_of


def test_settings_are_read_from_toml(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('[encoder]\nmodel = "bert-base-cased"\nmax_length = 128\n', encoding="utf-8")
    tables = read_toml(path, ("encoder",))
    assert from_mapping(EncoderConfig, tables["encoder"], "job.toml") == EncoderConfig(
        "bert-base-cased", max_length=128
    )


def test_an_unknown_key_lists_the_known_keys():
    message = r"^job\.toml \[encoder\]: unknown \['batch', 'len'\]; known are \['model', 'revision', .*'device'\]$"
    with pytest.raises(ConfigError, match=message):
        from_mapping(EncoderConfig, {"len": 1, "batch": 2, "max_length": 3}, "job.toml [encoder]")


@pytest.mark.parametrize("key", ["embedding_func", "embedding_func_id"])
def test_a_function_cannot_come_from_toml(key):
    with pytest.raises(ConfigError, match=f"unknown .'{key}'.; known are"):
        from_mapping(EncoderConfig, {key: "os.system"}, "x")


def test_an_invalid_value_names_its_file():
    with pytest.raises(ConfigError, match=r"^job\.toml: max_length=0 is too small; expected 1 or more$"):
        from_mapping(EncoderConfig, {"max_length": 0}, "job.toml")


@dataclasses.dataclass(frozen=True)
class SettingsWithShare:
    share: float = dataclasses.field(default=0.5, metadata={"help": "a share"})


def test_an_int_is_accepted_as_a_float():
    from bert_spark.settings import check_fields

    check_fields(SettingsWithShare(1))
    with pytest.raises(ConfigError, match="share='1' is a str; expected float"):
        check_fields(SettingsWithShare("1"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[encoder\n", r"job\.toml' is not valid TOML"),
        (b"\xff\xfe", r"job\.toml' is not valid TOML"),
        (b"[encoder]\n[typo]\n", r"unknown table \['typo'\]; known are \['encoder', 'output'\]"),
        (b"max_length = 60\n", r"unknown table \['max_length'\]; known are"),
        (b"encoder = 5\n", r"unknown table \['encoder'\]; known are"),
    ],
)
def test_an_invalid_file_is_named(tmp_path, content, message):
    path = tmp_path / "job.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_toml(path, ("encoder", "output"))


@pytest.mark.parametrize(("name", "reason"), [("absent.toml", "No such file"), (".", "Is a directory")])
def test_an_unreadable_file_is_named(tmp_path, name, reason):
    with pytest.raises(ConfigError, match=rf"config file .* can't be read: {reason}.*; give another --config"):
        read_toml(tmp_path / name, ("encoder",))


def test_newer_settings_are_stored_unless_they_are_at_their_default():
    names = {"label_column", "margin_column"}
    stored = settings_of(ScoreConfig(label_column="mine"), newer=names)
    assert stored["label_column"] == "mine"
    assert set(settings_of(ScoreConfig())) - set(stored) == {"margin_column"}
