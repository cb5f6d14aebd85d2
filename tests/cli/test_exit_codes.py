"""A job's end becomes an exit code and a log line without values of the data."""

import pytest

from bert_spark.cli.exit_codes import java_causes, run_job
from bert_spark.errors import (
    BertSparkError,
    ConfigError,
    DataError,
    LimitError,
    LockedError,
    NoInputError,
    SetupError,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (BertSparkError, 1),
        (DataError, 1),
        (LockedError, 1),
        (ConfigError, 2),
        (SetupError, 3),
        (LimitError, 4),
        (NoInputError, 5),
    ],
)
def test_error_gives_its_exit_code_and_a_log_line(kind, code, caplog):
    def job(argv):
        raise kind("what to change")

    assert run_job(job) == code
    assert f"{kind.__name__}: what to change" in caplog.text


def test_job_that_ends_well_gives_0():
    assert run_job(lambda argv: None) == 0


def test_unexpected_error_is_raised():
    def job(argv):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(job)


def test_java_causes_leave_out_frames_and_values_of_the_data():
    message = """[CAST_INVALID_INPUT] The value 'my "secret"
tweet' of the type "STRING" cannot be cast
Driver stacktrace:
    at org.apache.spark.Foo(Foo.scala:1)
    ... 12 more
Caused by: java.lang.RuntimeException"""
    assert java_causes(message).splitlines() == [
        "[CAST_INVALID_INPUT] The value '...' of the type \"STRING\" cannot be cast",
        "Caused by: java.lang.RuntimeException",
    ]
