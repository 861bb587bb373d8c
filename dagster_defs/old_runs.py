"""Old runs leave Dagster's storage, which keeps every run and its events for ever otherwise.

With a run go its materializations: of a partition whose only run is deleted, Dagster says that it was never
materialized. So the newest run that ended well stays, of each job and partition. The state of candu-sync knows nothing
of Dagster's runs: what Candu has, the history and the rows that were set aside stay as they are.
"""

from __future__ import annotations

import datetime as dt

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]

_RUNS_OF_ONE_QUERY = 500

_WHAT = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end", "candu/sync")


def delete_old_runs(instance: DagsterInstance, keep: dt.timedelta) -> int:
    """Delete the runs of syncs that were created longer ago than ``keep``, but for the newest that ended well of each
    job, choice of assets and partition, and those that have not ended.

    Returns:
        How many were deleted.
    """
    before, kept, old, cursor = dt.datetime.now(dt.UTC) - keep, set[object](), list[str](), None
    while records := instance.get_run_records(RunsFilter(statuses=_ENDED), limit=_RUNS_OF_ONE_QUERY, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        for record in records:
            run, what = record.dagster_run, _what(record.dagster_run)
            if run.status == DagsterRunStatus.SUCCESS and what not in kept:
                kept.add(what)
            elif "candu/sync" in run.tags and record.create_timestamp < before:
                old.append(run.run_id)
    for run_id in old:
        instance.delete_run(run_id)
    return len(old)


def _what(run: DagsterRun) -> object:
    return (run.job_name, run.asset_selection, *(run.tags.get(tag) for tag in _WHAT))
