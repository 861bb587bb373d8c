"""`python -m dagster_defs.demo.day --partition-range FIRST...LAST`: materialize every sync, and the events of these
windows in one run, as `dg launch` does.

Prints the result of each run as `candu-sync run --json` does, one object a line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dagster import DagsterInstance, Definitions

from candu_sync.demo.story import EVENTS
from candu_sync.due import partition_keys, targets_of
from candu_sync.project import Project
from candu_sync.settings import load_settings
from candu_sync.state import read_last_run
from candu_sync.syncs import Sync, load_syncs
from dagster_defs.build import build_definitions
from dagster_defs.names import Names

_PARTITION = "dagster/partition"
_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def main(windows: str) -> int:
    """Run all syncs, for these windows of events (``FIRST...LAST``); returns 1 when a run failed."""
    settings = load_settings()
    definitions = build_definitions(Path(settings.sql_dir))
    with Project(settings) as project, DagsterInstance.get() as instance:
        for sync in load_syncs(settings.sql_dir).syncs.values():
            targets = targets_of(project, sync, partition_keys(project, sync, [windows.replace("...", "..")])
                                      if sync.name == EVENTS else [])
            runs = [_tags(windows)] if sync.name == EVENTS else [_tags(target.partition) for target in targets]
            if not all(_materialize(definitions, instance, sync, tags) for tags in runs):
                return 1
            for target in targets:
                print(json.dumps(read_last_run(target.state)), flush=True)  # noqa: T201
    return 0


def _tags(partitions: str | None) -> dict[str, str]:
    """The tags of a run of one partition, or of a range."""
    if partitions is None:
        return {}
    first, dots, last = partitions.partition("...")
    return {_RANGE_START: first, _RANGE_END: last} if dots else {_PARTITION: partitions}


def _materialize(definitions: Definitions, instance: DagsterInstance, sync: Sync, tags: dict[str, str]) -> bool:
    if sync.partitions is not None and sync.partitions.dynamic is not None:
        instance.add_dynamic_partitions(sync.partitions.dynamic, [tags[_PARTITION]])
    job = definitions.resolve_job_def(Names().job_name(sync.name))
    return job.execute_in_process(tags=tags, instance=instance, raise_on_error=False).success


if __name__ == "__main__":
    sys.exit(main(sys.argv[-1]))
