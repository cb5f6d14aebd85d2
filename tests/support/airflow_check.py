"""Load conf/schedule/bert_spark_dag.py as Airflow does and write as JSON what it loads. Run by Airflow's own Python."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

DAG_FILE = Path(__file__).resolve().parents[2] / "conf" / "schedule" / "bert_spark_dag.py"


def outcome(task, code):
    """Return the name of the exception that the task raises if its command ends with this exit code, else "done"."""
    task.bash_command, task.cwd = f"exit {code}", None
    try:
        task.execute({})
    except Exception as err:
        return type(err).__name__
    return "done"


bag = DagBag(DAG_FILE)
(dag,) = bag.dags.values()
(task,) = dag.tasks
night = dag.timetable.infer_manual_data_interval(run_after=datetime(2026, 11, 25, 2, 30, tzinfo=UTC))
command = task.render_template(task.bash_command, {"ds": night.start.strftime("%Y-%m-%d")})
dag_facts = {
    "errors": list(bag.import_errors.values()),
    "dag": [dag.dag_id, dag.max_active_runs, dag.catchup],
    "retries": task.retries,
    "command": command,
    "outcomes": {code: outcome(task, code) for code in (0, 1, 2, 3, 4)},
}
Path(sys.argv[1]).write_text(json.dumps(dag_facts))
