"""How a file is read is guessed from its first bytes: the kinds of files that people have."""

import pytest

from bert_spark.tables.config import InputConfig
from bert_spark.tables.sniffing import guess_encoding, sniff

QUOTED = 'id,text\n1,"so happy, really"\n2,"two\nlines"\n3,"she said ""hi"""\n'
SPARKS = 'id,text\n1,"she said \\"hi\\" to me"\n2,"bye, bye"\n3,so\n'
STRAY = 'text\tmood\n"Breaking: rain\ta\nso, happy\tb\nlast words"\tc\nbye\td\nmore\ta\n'
SEMICOLONS = "id;text;mood\n1;so happy, really;joy\n2;i miss you, a lot;sad\n3;hi;joy\n"
NO_HEADER = (
    "0,1467810369,Mon Apr 06,@switchfoot so sad\n0,1467810672,Mon Apr 06,is upset\n4,1467810917,Tue Apr 07,fun\n"
)
SENTENCES = "so happy today\nwell, that was fun, really\ni miss you\n"


def changed(data, path="tweets.csv", **settings):
    config = InputConfig(path=path, **settings)
    found = sniff(data.encode() if isinstance(data, str) else data, config)
    return {name: value for name, value in vars(found).items() if value != getattr(config, name)}


@pytest.mark.parametrize(
    ("data", "path", "expected"),
    [
        (QUOTED, "tweets.csv", {}),
        (QUOTED, "data/tweets", {"format": "csv"}),
        (SPARKS, "tweets.csv", {"escape": "\\"}),
        (STRAY, "tweets.tsv", {"quote": ""}),
        (STRAY, "tweets.csv", {"quote": "", "delimiter": "\\t"}),
        (SEMICOLONS, "tweets.csv", {"delimiter": ";"}),
        (NO_HEADER, "tweets.csv", {"header": False}),
        (SENTENCES, "data/tweets", {"format": "text"}),
        (SENTENCES, "tweets.txt", {}),
        ('{"id": 1, "text": "a, b"}\n{"id": 2}\n', "data/tweets", {"format": "json"}),
        ("[\n", "tweets.json", {}),
        (b"PAR1\x15\x04", "data/tweets.bin", {}),
        (b"ORC\n", "data/tweets", {"format": "orc"}),
        ("", "tweets.csv", {}),
        (QUOTED.encode("utf-16"), "tweets.csv", {"encoding": "UTF-16"}),
        ("id;text\n1;caf\xe9\n2;na\xefve\n".encode("cp1252"), "t.csv", {"encoding": "windows-1252", "delimiter": ";"}),
        ("text\nso\nhappy\n", "tweets.csv", {}),
    ],
)
def test_settings_follow_from_the_first_bytes(data, path, expected):
    assert changed(data, path) == expected


def test_settings_of_the_user_are_kept():
    assert changed(SEMICOLONS, delimiter="|") == {}
    assert changed(NO_HEADER, columns="a,b,c,d") == {}
    assert changed(NO_HEADER, header=True) == {}
    assert changed(STRAY, "tweets.tsv", quote="'") == {}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("caf\u00e9 \U0001f600".encode(), "UTF-8"),
        ("caf\u00e9 \U0001f600".encode()[:-1], "UTF-8"),
        (("caf\u00e9 " * 50).encode() + b"\xe9", "UTF-8"),
        (b"don\x92t", "windows-1252"),
        (b"a\x81b\xe9", "ISO-8859-1"),
        ("hi there".encode("utf-16-le"), "UTF-16LE"),
        ("hi there".encode("utf-16-be"), "UTF-16BE"),
        (b"", "UTF-8"),
    ],
)
def test_encodings_are_told_apart(data, expected):
    assert guess_encoding(data) == expected
