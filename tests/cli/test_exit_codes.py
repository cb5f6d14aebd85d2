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
    ("job", "missing", "extra"),
    [
        ("embed", "pyspark", "spark"),
        ("search", "pyspark", "spark"),
        ("train", "jinja2", "report"),
        ("train", "matplotlib", "report"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(run_forked, job, missing, extra):
    """Help and settings need none of them."""
    code = f"""
import contextlib, io, logging, sys
sys.modules[{missing!r}] = None
log = io.StringIO()
logging.basicConfig(stream=log)
from jobs import {job}
with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
    {job}.main(["--help"])
code = {job}.main(["--input", "no.csv", "--output", "no_output"])
print(code, "--text-column" in shown.getvalue(), log.getvalue())
"""
    printed = run_forked(code)
    assert printed.startswith("3 True ERROR:")
    assert (
        f"SetupError: this job needs {missing}, which is not installed here: pip install 'bert-spark[{extra}]'"
        in printed
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
