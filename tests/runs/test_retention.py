"""With --keep-days a run removes old records and refused days of its own output, and nothing else."""

import datetime
import json

import pytest

from bert_spark.errors import ConfigError
from bert_spark.runs.config import ScheduleConfig
from bert_spark.runs.retention import remove_old
from bert_spark.runs.run_record import record_as_json
from bert_spark.runs.staging_area import StagingArea
from bert_spark.storage import Folder

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def area(tmp_path):
    """Return the folders beside an output with runs of 1, 29, 31 and 400 days ago, of two outputs."""
    area = StagingArea(Folder(str(tmp_path)), "out", f"{tmp_path}/out")
    for output in ("out", "other"):
        for days in (1, 29, 31, 400):
            started = NOW - datetime.timedelta(days=days)
            run_id = f"score-{started:%Y%m%dT%H%M%S}-{output}{days}"
            record = {"run_id": run_id, "output": f"{tmp_path}/{output}", "started": started.isoformat("T", "seconds")}
            area.records.write(f"{run_id}.json", record_as_json(record | {"rows_out": 3}))
            if output == "out":
                for prefix, status in (("day", "refused"), ("day", "staged"), ("new", "refused")):
                    stage = Folder(str(tmp_path)) / f"_staging/out/{prefix}-{status}{days}"
                    state = {"status": status, "record": record | {"rows_out": 3}, "output": {"path": "out"}}
                    stage.write("state.json", json.dumps(state))
    area.records.write("renamed.json", "{}")
    return area


def test_nothing_is_removed_unless_it_is_asked_for(area):
    before = area.records.names(), area.staging.names()
    remove_old(None, area, None)
    assert (area.records.names(), area.staging.names()) == before


def test_what_is_older_is_removed(area, caplog):
    remove_old(None, area, 30)
    left = {name.rpartition("-")[2].removesuffix(".json") for name in area.records.names()}
    assert left == {"out1", "out29", "other1", "other29", "other31", "other400", "renamed"}
    staged = set(area.staging.names())
    assert {name for name in staged if name.startswith("day-refused")} == {"day-refused1", "day-refused29"}
    assert len(staged) == 4 + 4 + 2
    assert caplog.text.count("giving up 3 rows that run score-") == 2


def test_a_number_of_days_below_one_is_refused():
    with pytest.raises(ConfigError, match="keep_days=0 is too small"):
        ScheduleConfig(keep_days=0)
