"""Change sets in the state: which of them a power cut may not lose."""

from __future__ import annotations

import pytest

from candu_sync.changes import anything_staged
from candu_sync.state.disk import DiskStore
from candu_sync.syncs import Sync
from tests.support.lab import Lab


@pytest.fixture
def sync(lab: Lab) -> Sync:
    lab.query("create table people as select 'a' as user_id, 'pro' as plan")
    return lab.sync("users/model", "select * from people")


@pytest.fixture
def waited_for(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each write of the pointer waited for the disk."""
    waited: list[bool] = []
    put = DiskStore.put

    def noted(store: DiskStore, name: str, data: bytes, *, create: bool = False, sync: bool = True) -> bool:
        if name.endswith("staged.json"):
            waited.append(sync)
        return put(store, name, data, create=create, sync=sync)

    monkeypatch.setattr(DiskStore, "put", noted)
    return waited


def test_a_plan_that_awaits_its_push_is_on_the_disk(lab: Lab, sync: Sync, waited_for: list[bool]) -> None:
    lab.plan(sync)
    assert waited_for == [True]
    assert anything_staged(lab.state(sync))


def test_what_is_pushed_at_once_waits_for_no_disk(lab: Lab, sync: Sync, waited_for: list[bool]) -> None:
    """Its claim says that there is something to finish."""
    assert lab.run(sync).accepted == 1
    assert waited_for == [False]
    assert not anything_staged(lab.state(sync))


def test_a_run_that_its_guard_stopped_awaits_a_push(lab: Lab, waited_for: list[bool]) -> None:
    lab.query("create table people as select 'a' as user_id, 'pro' as plan")
    guarded = lab.sync("users/guarded", "select * from people", "guard: {min_rows: 2}")
    assert lab.run(guarded).status == "guarded"
    assert waited_for == [True]
    assert anything_staged(lab.state(guarded))
