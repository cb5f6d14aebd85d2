"""Read the record that a run wrote."""

import json


def run_record(folder, job):
    """Return the only record of a job in the `_manifests` of `folder`."""
    (path,) = (folder / "_manifests").glob(f"{job}-*.json")
    return json.loads(path.read_text())
