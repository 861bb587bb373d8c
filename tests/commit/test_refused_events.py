"""A refused event is not forgotten when the cursor has gone past it, and a retry finds it again."""

from __future__ import annotations

import datetime as dt

from candu_sync.operate.maintenance import retry
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from tests.support.lab import Lab

_EVENTS = "select * from events where timestamp > :since"
_YAML = "cursor: {column: timestamp, lookback: 1 day}"


def test_a_refused_event_stays_listed_and_a_retry_sends_it(lab: Lab, simulator: Simulator) -> None:
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    rows = [("bad", "u0", "Clicked", now - 9 * day), *((f"e{n}", f"u{n}", "Clicked", now - n * day) for n in (8, 5, 2))]
    sync = lab.sync("events/clicks", _EVENTS, _YAML)
    simulator.fault(kind="refuse", user_ids=["u0"], status=422)
    for count in (2, 3, 4):
        ids, users, names, times = (list(column) for column in zip(*rows[:count], strict=True))
        lab.table("events", event_id=ids, user_id=users, event=names, timestamp=times)
        lab.run(sync)
        assert [row["key"] for row in lab.rejected(sync)] == ["bad"]
    simulator.clear_faults()
    with lab.project() as project:
        assert retry(Target(project, sync)) == 1
    result = lab.run(sync)
    assert (result.messages, result.accepted) == (1, 1)
    assert sorted(event["user_id"] for event in simulator.events()) == ["u0", "u2", "u5", "u8"]
    assert lab.rejected(sync) == []
