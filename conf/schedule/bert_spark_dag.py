"""One run every night, by Airflow: the task's day is the day that ended.

Install: a checkout in /opt/bert_spark on the workers, nightly.toml in /etc/bert_spark, this file in the folder of DAGs.
Days missed: `airflow backfill create --dag-id bert_spark_score --from-date 2026-11-01 --to-date 2026-11-24`; a day that
runs twice gives the same table.

Checked with Airflow 3.3.2: its DagBag, the rendered command, and what each exit code becomes (tests/airflow_check.py).
Not checked: a night under its scheduler, Airflow 2.
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
    """A command of which some exit codes fail for good; BashOperator itself tries all failures again."""

    def execute(self, context: Any) -> Any:
        """Run the command."""
        try:
            return super().execute(context)
        except AirflowSkipException as err:
            raise AirflowFailException(f"{err} To try again would end the same; see the run's record.") from err


# An interval, not a trigger, which is the default for a line of cron: {{ ds }} is then the day that ended.
nightly = CronDataIntervalTimetable("30 2 * * *", timezone="UTC")

with DAG(
    "bert_spark_score",
    schedule=nightly,
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,  # a second run would stop at the lock
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
