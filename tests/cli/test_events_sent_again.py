"""The four ways in which a sync's events would go twice, on the command line: it stops, and names the way out."""

from __future__ import annotations

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder

VISITS = """select 'e' || i as event_id, 'x' || i as other, 'u' as user_id, 'seen' as event,
    timestamp '2026-11-01' + to_minutes(i::int) as timestamp from range({}) t(i)"""
TIMES = "key: [user_id, event, timestamp]\n"
DAILY = "partitions: {daily: 2026-11-01}"


@pytest.mark.parametrize(("before", "after", "why"), [
    ("", "key: other", "the key was event_id and is other now"),
    (TIMES, f"{TIMES}timezone: America/New_York", "timezone was UTC and is America/New_York now"),
    (DAILY, "", "it had daily partitions and has no partitions now"),
])
def test_settings_that_change(project: Folder, simulator: Simulator, before: str, after: str, why: str) -> None:
    project.query("create table nothing (a int)")
    project.model("events/visits", VISITS.format(5), before)
    chosen = ["--partition", "2026-11-01"] if before == DAILY else []
    assert project.cli("run", "events/visits", *chosen).code == 0
    project.model("events/visits", VISITS.format(7), after)
    assert f"a guard would stop this: {why}" in " ".join(project.cli("plan", "events/visits").out.split())
    stopped = project.cli("run", "events/visits", "--json")
    assert (stopped.code, stopped.row["status"]) == (3, "guarded")
    assert f"{why}" in stopped.err
    assert "5 events to send are not newer than those that were sent" in stopped.err
    assert len(simulator.messages()) == 5
    taken = project.cli("baseline", "events/visits", "--not-newer")
    assert (taken.code, taken.out) == (0, "events/visits: 5 rows are taken as sent\n")
    assert project.cli("run", "events/visits", "--json").row["accepted"] == 2
    assert project.cli("run", "events/visits", "--json").row["requests"] == 0


def test_a_name_that_changes(project: Folder, simulator: Simulator) -> None:
    project.query("create table nothing (a int)")
    project.model("events/visits", VISITS.format(5))
    assert project.cli("run", "events/visits").code == 0
    (project.sql / "events/visits.sql").rename(project.sql / "events/calls.sql")
    stopped = project.cli("run", "events/calls")
    assert stopped.code == 3
    assert "`candu-sync rename events/visits events/calls`" in stopped.err
    assert project.cli("rename", "events/visits", "events/calls").code == 0
    assert project.cli("run", "events/calls", "--json").row["requests"] == 0
    assert len(simulator.messages()) == 5
