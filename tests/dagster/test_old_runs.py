"""Old runs are deleted, and no partition is forgotten by it."""

from __future__ import annotations

import datetime as dt

from dagster import AssetKey

from dagster_defs.old_runs import delete_old_runs
from tests.dagster.live import instance_of
from tests.dagster.room import Room


def test_the_newest_good_run_of_each_partition_stays(room: Room) -> None:
    room.table("people", user_id=["u1", "u2"], plan=["free", "pro"])
    room.sync("users/people", "select * from people where plan = :partition", "partitions: {static: [free, pro]}")
    job = room.definitions().resolve_job_def("candu__users__people")
    with instance_of(room) as instance:
        ids = [job.execute_in_process(instance=instance, partition_key=plan).run_id for plan in ("free", "free", "pro")]
        assert delete_old_runs(instance, dt.timedelta(days=1)) == 0
        room.query("delete from people where plan = 'pro'")
        failed = job.execute_in_process(instance=instance, partition_key="pro", raise_on_error=False)
        assert not failed.success
        assert delete_old_runs(instance, dt.timedelta(0)) == 2
        assert {run.run_id for run in instance.get_runs()} == {ids[1], ids[2]}
        assert instance.all_logs(ids[0]) == []
        push = AssetKey(["candu", "users", "people"])
        assert instance.get_materialized_partitions(push) == {"free", "pro"}
        assert delete_old_runs(instance, dt.timedelta(0)) == 0
