"""The probe runs on executors without this package, and a failure of Spark's is reported in one line."""

import pytest

from bert_spark.spark import executor_probe


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "pyspark.errors.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9",
            "Python in worker has different version: 3.9; give executors the driver's Python",
        ),
        (
            'java.io.IOException: Cannot run program "python9": error=2',
            "executors have no Python at python9; set PYSPARK_PYTHON",
        ),
        ("Job aborted\n at Java", "Job aborted"),
    ],
)
def test_the_reason_of_a_failed_probe_is_one_line_with_advice(message, reason):
    assert executor_probe.failure_reason(message).startswith(reason)


def test_an_executor_without_this_package_reports_that(run_fresh):
    """The function is pickled with its code."""
    from pyspark.serializers import CloudPickleSerializer

    pickled = CloudPickleSerializer().dumps(executor_probe._probe_function({"model": "x"}, 0.0))
    code = f"""
import sys
sys.modules["bert_spark"] = None
from pyspark.serializers import CloudPickleSerializer
print(CloudPickleSerializer().loads({pickled!r})(0))
"""
    assert "bert_spark can't be used (ModuleNotFoundError" in run_fresh(code)
