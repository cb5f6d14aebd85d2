"""Settings are checked once, hash by what changes a vector, and come from TOML."""

import dataclasses
import functools
import operator
import pickle

import pytest

from bert_spark.encoding.config import EncoderConfig, function_id
from bert_spark.errors import ConfigError
from bert_spark.settings import from_mapping, read_toml


def test_defaults():
    config = EncoderConfig()
    assert (config.model, config.max_length, config.pooling) == ("packaged:minilm-l6", 60, "cls")
    assert (config.precision, config.token_budget, config.window_rows) == ("float32", 0, 8192)
    assert (config.clean, config.long_text, config.device, config.revision) == ("off", "truncate", "auto", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": "60"}, r"max_length='60' is a str; expected int"),
        ({"max_length": 60.0}, r"max_length=60\.0 is a float; expected int"),
        ({"max_length": True}, r"max_length=True is a bool; expected int"),
        ({"max_length": 0}, r"max_length=0 is too small; expected 1 or more"),
        ({"token_budget": -1}, r"token_budget=-1 is too small; expected 0 or more"),
        ({"window_rows": -1}, r"window_rows=-1 is too small; expected 1 or more"),
        ({"model": None}, r"model=None is a NoneType; expected str"),
        ({"revision": 5}, r"revision=5 is a int; expected str \| None"),
        ({"pooling": "avg"}, r"pooling 'avg' is unknown; known are \['cls', 'flatten', 'max', 'mean', 'pooler'\]"),
        ({"precision": "half"}, r"precision='half' is unknown; known are \['float32', 'bfloat16', 'float16', 'auto'\]"),
        ({"clean": "html"}, r"clean='html' is unknown; known are \['off', 'tweets'\]"),
        ({"long_text": "cut"}, r"long_text='cut' is unknown; known are \['truncate', 'windows'\]"),
        ({"device": "gpu"}, r"device='gpu' is unknown; expected auto, cpu, cuda or cuda:N"),
        ({"device": "0"}, r"device='0' is unknown"),
        ({"device": "cuda:"}, r"device='cuda:' is unknown"),
        ({"device": "cuda:²"}, r"device='cuda:²' is unknown"),
        ({"device": "cuda:1\n"}, r"device='cuda:1\\n' is unknown"),
        ({"embedding_func": "cls"}, r"embedding_func='cls' is a str; expected"),
    ],
)
def test_a_value_that_does_not_fit_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(**settings)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:15"])
def test_devices(device):
    assert EncoderConfig(device=device).device == device


def test_settings_are_frozen_and_their_own_cache_key():
    config = EncoderConfig(max_length=7)
    assert {config: 1}[EncoderConfig(max_length=7)] == 1
    assert config != EncoderConfig(max_length=8)
    with pytest.raises(dataclasses.FrozenInstanceError, match="max_length"):
        config.max_length = 8


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 61},
        {"pooling": "mean"},
        {"precision": "bfloat16"},
        {"clean": "tweets"},
        {"long_text": "windows"},
        {"embedding_func": len},
    ],
    ids=str,
)
def test_what_changes_a_vector_changes_the_identity(change):
    assert EncoderConfig(**change).identity() != EncoderConfig().identity()


@pytest.mark.parametrize(
    "change", [{"token_budget": 1}, {"window_rows": 1}, {"device": "cpu"}, {"model": "x"}], ids=str
)
def test_what_changes_no_vector_leaves_the_identity(change):
    assert EncoderConfig(**change).identity() == EncoderConfig().identity()


def layer(number):
    return lambda output: output[number]


class Layer:
    def __init__(self, number):
        self.number = number

    def __call__(self, output):
        return output[self.number]

    def take(self, output):
        return output[self.number]


def with_default(number):
    def take(output, number=number):
        return output[number]

    return take


def nested(number):
    code = f"lambda output: [part for part in output if part != {number}]"
    return eval(code)


DIFFERENT = {
    "closure": layer,
    "instance": Layer,
    "bound method": lambda number: Layer(number).take,
    "partial": lambda number: functools.partial(layer(0), number),
    "partial of a builtin": lambda number: functools.partial(operator.getitem, number),
    "operator": operator.itemgetter,
    "default argument": with_default,
    "code inside code": nested,
    "constant": lambda number: eval(f"lambda output: output[{number}]"),
    "name": lambda number: eval(f"lambda output: output.state_{number}"),
    "function in a default": lambda number: with_default(layer(number)),
    "keyword default": lambda number: eval(f"lambda output, *, number={number}: output[number]"),
    "function in a closure": lambda number: (lambda f: lambda output: f(output))(layer(number)),
}


@pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_another_embedding_func_is_another_encoder(make):
    one, other = make(1), make(2)
    assert function_id(one) != function_id(other)
    assert EncoderConfig(embedding_func=one) != EncoderConfig(embedding_func=other)


@pytest.mark.parametrize("name", [name for name in DIFFERENT if name != "partial"])  # of a lambda: told by its address
def test_the_same_embedding_func_made_again_is_the_same_encoder(name):
    make = DIFFERENT[name]
    assert function_id(make(1)) == function_id(make(1))
    assert EncoderConfig(embedding_func=make(1)) == EncoderConfig(embedding_func=make(1))


def test_a_function_that_calls_itself_has_an_id():
    def deep(output):
        return deep(output[0]) if isinstance(output, tuple) else output

    assert function_id(deep).startswith(
        "tests.encoding.test_config.test_a_function_that_calls_itself_has_an_id.<locals>.deep#"
    )


def test_a_set_in_the_code_does_not_make_the_id_depend_on_the_process(run_fresh):
    code = "from bert_spark.encoding.config import function_id; print(function_id(lambda x: x in {'a', 'b', 'c', 'd', 'e', 'f'}))"
    ids = {run_fresh(code, PYTHONHASHSEED=str(seed)) for seed in range(3)}
    assert len(ids) == 1


def test_settings_pickle_small_and_equal():
    config = EncoderConfig(max_length=7, embedding_func=Layer(1))
    data = pickle.dumps(config)
    assert len(data) < 1000
    assert pickle.loads(data) == config


def test_settings_come_from_toml(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('[encoder]\nmodel = "bert-base-cased"\nmax_length = 128\n', encoding="utf-8")
    tables = read_toml(path, ("encoder",))
    assert from_mapping(EncoderConfig, tables["encoder"], "job.toml") == EncoderConfig(
        "bert-base-cased", max_length=128
    )


def test_unknown_key_lists_the_known_ones():
    message = r"^job\.toml \[encoder\]: unknown \['batch', 'len'\]; known are \['model', 'revision', .*'device'\]$"
    with pytest.raises(ConfigError, match=message):
        from_mapping(EncoderConfig, {"len": 1, "batch": 2, "max_length": 3}, "job.toml [encoder]")


@pytest.mark.parametrize("key", ["embedding_func", "embedding_func_id"])
def test_a_function_can_not_come_from_toml(key):
    with pytest.raises(ConfigError, match=f"unknown .'{key}'.; known are"):
        from_mapping(EncoderConfig, {key: "os.system"}, "x")


def test_a_bad_value_says_where_it_stands():
    with pytest.raises(ConfigError, match=r"^job\.toml: max_length=0 is too small; expected 1 or more$"):
        from_mapping(EncoderConfig, {"max_length": 0}, "job.toml")


@dataclasses.dataclass(frozen=True)
class Other:
    share: float = dataclasses.field(default=0.5, metadata={"help": "a share"})


def test_a_whole_number_is_a_float_too():
    from bert_spark.settings import check_fields

    check_fields(Other(1))
    with pytest.raises(ConfigError, match="share='1' is a str; expected float"):
        check_fields(Other("1"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[encoder\n", r"job\.toml' is no TOML"),
        (b"\xff\xfe", r"job\.toml' is no TOML"),
        (b"[encoder]\n[typo]\n", r"unknown table \['typo'\]; known are \['encoder', 'output'\]"),
        (b"max_length = 60\n", r"unknown table \['max_length'\]; known are"),
        (b"encoder = 5\n", r"unknown table \['encoder'\]; known are"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "job.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_toml(path, ("encoder", "output"))


@pytest.mark.parametrize(("name", "reason"), [("absent.toml", "No such file"), (".", "Is a directory")])
def test_a_file_that_can_not_be_read_is_named(tmp_path, name, reason):
    with pytest.raises(ConfigError, match=rf"config file .* can't be read: {reason}.*; give another --config"):
        read_toml(tmp_path / name, ("encoder",))
