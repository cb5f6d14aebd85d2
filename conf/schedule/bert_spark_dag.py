"""One run every night, started by Airflow for the day that has ended.

Install: a checkout in /opt/bert_spark on the workers, nightly.toml in /etc/bert_spark, this file in the folder of DAGs.
Missed days: `airflow backfill create --dag-id bert_spark_score --from-date 2026-11-01 --to-date 2026-11-24`. A day that
runs twice gives the same table.

Checked with Airflow 3.3.2: the DagBag, the rendered command, and the outcome of each exit code
(tests/support/airflow_check.py). Not checked: a night under the scheduler, Airflow 2.
"""

from __future__ import annotations

import datetime
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.timetables.interval import CronDataIntervalTimetable

WRONG_SETTINGS, OUTSIDE_LIMITS = 2, 4


class SparkJob(BashOperator):
    """A command that is not retried after some exit codes. BashOperator itself retries after each failure."""

    def execute(self, context: Any) -> Any:
        """Run the command."""
        try:
            return super().execute(context)
        except AirflowSkipException as err:
            raise AirflowFailException(f"{err} A retry would fail again; see the run's record.") from err


# A cron expression makes a trigger by default. With an interval instead, {{ ds }} is the day that has ended.
nightly = CronDataIntervalTimetable("30 2 * * *", timezone="UTC")

with DAG(
    "bert_spark_score",
    schedule=nightly,
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,  # a second run would stop at the lock of the output
    default_args={"retries": 2, "retry_delay": datetime.timedelta(minutes=15)},
    doc_md=__doc__,
):
    SparkJob(
        task_id="score",
        bash_command="./spark-submit.sh jobs/score.py --config /etc/bert_spark/nightly.toml --run-date {{ ds }}",
        cwd="/opt/bert_spark",
        skip_on_exit_code=[WRONG_SETTINGS, OUTSIDE_LIMITS],
        execution_timeout=datetime.timedelta(hours=8),
    )
