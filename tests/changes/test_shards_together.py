"""What one shard says about all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.changes.guard import tripped
from candu_sync.changes.shards_together import shows_all, together
from candu_sync.changes.summary import Summary
from candu_sync.syncs.partition_spec import Partitions
from candu_sync.syncs.spec import Guard
from candu_sync.syncs.sync import Sync


def summary(**counts: Any) -> Summary:
    names = ("rows", "added", "changed", "removed", "unchanged", "invalid", "held", "messages", "bytes",
             "snapshot_rows")
    return Summary(**dict.fromkeys(names, 0) | {"traits": {}} | counts)


SHARE = st.one_of(st.none(), st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]), st.floats(0, 1))
NUMBER = st.one_of(st.none(), st.integers(0, 50_000))
GUARDS = st.builds(Guard, min_rows=st.one_of(st.none(), st.integers(0, 3000)), max_changed=SHARE, max_removed=SHARE,
                   max_added=SHARE, max_messages=NUMBER, max_invalid=SHARE, max_new_traits_rows=NUMBER)


@st.composite
def a_shard(draw: st.DrawFn, kind: str) -> Summary:
    known = draw(st.integers(0, 20_000))
    part = st.one_of(st.integers(0, min(known, 50)), st.integers(0, known))
    changed, late = draw(part), draw(part) if kind == "events" else 0
    rows = draw(st.integers(0, 20_000))
    return summary(rows=rows, snapshot_rows=known, changed=changed, new_traits_rows=draw(st.integers(0, changed)),
                   removed=draw(part), unchanged=draw(part), invalid=draw(st.integers(0, rows)),
                   messages=draw(part), late=late, missed=draw(st.integers(0, late)))


@settings(max_examples=60)
@given(st.data(), GUARDS, st.sampled_from(["users", "events"]))
def test_shards_that_show_all_are_right(data: st.DataObject, guard: Guard, kind: Any) -> None:
    shards = data.draw(st.lists(a_shard(kind), min_size=2, max_size=4))
    sync = Sync(name=f"{kind}/x", kind=kind, path=Path("x.sql"), sql="select 1", key=("user_id",), guard=guard,
                partitions=Partitions(shards=len(shards)))
    if all(shows_all(sync, shard, len(shards)) for shard in shards):
        assert tripped(sync, together(shards)) == []


def test_the_figures_are_added_up() -> None:
    both = together([summary(rows=3, changed=1, traits={"plan": 1}, reasons={"null key": 1}),
                     summary(rows=4, changed=2, traits={"seats": 2, "plan": 2}, reasons={"null key": 2})])
    assert (both.rows, both.changed, both.traits, both.reasons) == (7, 3, {"plan": 3, "seats": 2}, {"null key": 3})
