"""A project whose state holds a person in every place."""

from __future__ import annotations

from candu_sync.simulator import Simulator
from tests.support.folder import Folder

ID = "ada-4711@example.com"
OTHERS = 5


def fill(project: Folder, simulator: Simulator) -> None:
    """Make four syncs, and a state of them with several versions, partitions, a history of values, refused and invalid
    rows, and staged changes."""
    project.query(f"""
        create table people as
        select if(i = 0, '{ID}', 'u' || i) as user_id, if(i % 2 = 0, 'pro', 'free') as plan, i::bigint as seats
        from range({OTHERS + 1}) t(i);
        create table visits as
        select 'e' || i as event_id, if(i < 3, '{ID}', 'u' || i) as user_id, 'Visited' as event,
            timestamp '2026-11-01' + i * interval 1 hour as timestamp from range(9) t(i)""")
    project.model("users/profile", "select * from people", "history: values\npreview: values")
    project.model("users/by_plan", "select user_id, true as in_segment from people where plan = :partition",
                  "partitions: {static: [free, pro]}")
    project.model("groups/accounts", "select 'g' || i % 2 as group_id, user_id, 'x' as tier from "
                  "(select *, row_number() over (order by user_id) as i from people)")
    project.model("events/visits", "select * from visits")
    assert project.cli("run", "--all", "--json").code == 0
    project.query("update people set plan = 'team' where seats < 2")
    simulator.fault("refuse", user_ids=[ID], status=422)
    project.cli("run", "users/profile")
    simulator.clear_faults()
    project.query(f"insert into people values ('{ID}', 'double', 99)")
    project.cli("run", "groups/accounts")
    project.cli("plan", "users/profile", "--save")
    project.query("delete from people where plan = 'double'; update people set seats = seats + 1")
    project.cli("plan", "users/by_plan", "--save")
