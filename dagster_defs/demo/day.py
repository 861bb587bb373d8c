"""`python -m dagster_defs.demo.day WINDOW…`: materialize every sync, as a person would by "Materialize all".

Prints the result of each run as `candu-sync run --json` does, one object a line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dagster import DagsterInstance, Definitions

from candu_sync.demo.story import EVENTS
from candu_sync.project import Project
from candu_sync.settings import load_settings
from candu_sync.state import read_last_run
from candu_sync.syncs import Sync, load_syncs
from dagster_defs.build import build_definitions
from dagster_defs.names import Names


def main(windows: list[str]) -> int:
    """Run all syncs for these windows of events; returns 1 when a run failed."""
    settings = load_settings()
    definitions = build_definitions(Path(settings.sql_dir))
    with Project(settings) as project, DagsterInstance.get() as instance:
        for sync in load_syncs(settings.sql_dir).syncs.values():
            for target in project.targets(sync, windows if sync.name == EVENTS else []):
                if not _materialize(definitions, instance, sync, target.partition):
                    return 1
                print(json.dumps(read_last_run(target.state)), flush=True)  # noqa: T201
    return 0


def _materialize(definitions: Definitions, instance: DagsterInstance, sync: Sync, key: str | None) -> bool:
    if key is not None and sync.partitions is not None and sync.partitions.dynamic is not None:
        instance.add_dynamic_partitions(sync.partitions.dynamic, [key])
    job = definitions.resolve_job_def(Names().job_name(sync.name))
    return job.execute_in_process(partition_key=key, instance=instance, raise_on_error=False).success


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
