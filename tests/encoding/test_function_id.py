"""A function's id changes with its code and the values it holds, and with nothing else."""

import functools
import operator

import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.function_id import function_id
from tests.support.embedding_functions import LayerState


def layer(number):
    return lambda output: output[number]


def with_default(number):
    def take(output, number=number):
        return output[number]

    return take


def nested(number):
    code = f"lambda output: [part for part in output if part != {number}]"
    return eval(code)


DIFFERENT = {
    "closure": layer,
    "instance": LayerState,
    "bound method": lambda number: LayerState(number).take,
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
def test_different_functions_have_different_ids(make):
    first, second = make(1), make(2)
    assert function_id(first) != function_id(second)
    assert EncoderConfig(embedding_func=first) != EncoderConfig(embedding_func=second)


@pytest.mark.parametrize(
    "name", [name for name in DIFFERENT if name != "partial"]
)  # a partial of a lambda is identified by its address
def test_a_function_made_again_has_the_same_id(name):
    make = DIFFERENT[name]
    assert function_id(make(1)) == function_id(make(1))
    assert EncoderConfig(embedding_func=make(1)) == EncoderConfig(embedding_func=make(1))


def test_a_recursive_function_has_an_id():
    def innermost(output):
        return innermost(output[0]) if isinstance(output, tuple) else output

    assert function_id(innermost).startswith(
        "tests.encoding.test_function_id.test_a_recursive_function_has_an_id.<locals>.innermost#"
    )


def test_the_id_of_a_function_with_a_set_is_the_same_in_every_process(run_fresh):
    code = """
from bert_spark.encoding.function_id import function_id
from tests.support.embedding_functions import LayerState
print(function_id(lambda x: x in {'a', 'b', 'c', 'd', 'e', 'f'}))
"""
    ids = {run_fresh(code, PYTHONHASHSEED=str(seed)) for seed in range(3)}
    assert len(ids) == 1
