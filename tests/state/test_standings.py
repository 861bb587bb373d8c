"""All partitions of a sync, read at once: the same as each one's own files say."""

from __future__ import annotations

from typing import Any

import pytest

from candu_sync.forgetting import forget
from candu_sync.operate import failed_partitions, overview, statuses
from candu_sync.state import State, last_run_of, read_last_run, records_copy
from candu_sync.state import standings as module
from candu_sync.syncs import Catalog, Sync
from tests.support.lab import Lab

KEYS = ["EU", "us", "asia"]


@pytest.fixture(params=["disk", "S3"])
def partitioned(request: pytest.FixtureRequest, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """A sync of three partitions; one of them failed. In the object store, copies of records are kept from two on."""
    if request.param == "S3":
        lab.overrides["state_url"] = request.getfixturevalue("s3_url")
    monkeypatch.setattr(module, "_MANY", 2)
    lab.query("create table people as select * from (values ('a', 'EU', 1), ('b', 'us', 2), ('c', 'asia', 3)) "
              "t(user_id, region, seats)")
    sync = lab.sync("users/people", "select user_id, seats from people where region = :partition",
                    "partitions: {static: [EU, us, asia]}\nguard: {min_rows: 1, max_changed: null}")
    for key in KEYS[:2]:
        assert lab.run(sync, partition=key).accepted == 1
    lab.query("delete from people where region = 'asia'")
    assert lab.run(sync, partition="asia").status == "guarded"
    return sync


def _all(lab: Lab, sync: Sync) -> dict[str | None, dict[str, Any]]:
    """The rows of status, by partition."""
    with lab.project() as project:
        return {row["partition"]: row for row in statuses(project, Catalog({sync.name: sync}, ()))}


def _agree(lab: Lab, sync: Sync) -> None:
    """What is read at once is what each partition's record says."""
    state = State(lab.overrides["state_url"])
    found = state.standings(sync.name)
    assert list(found) == state.partitions(sync.name) == sorted(KEYS)
    for key, standing in found.items():
        assert last_run_of(standing.record) == read_last_run(state.of(sync.name, key))


def test_they_agree_with_the_partitions_own_files(lab: Lab, partitioned: Sync) -> None:
    for _ in range(2):  # the second time, an object store has the copy
        _agree(lab, partitioned)
    lab.query("update people set seats = 9 where region = 'us'")
    assert lab.run(partitioned, partition="us").accepted == 1
    _agree(lab, partitioned)
    rows = _all(lab, partitioned)
    assert {key: (row["status"], row["rows"]) for key, row in rows.items()} == {
        "EU": ("succeeded", 1), "us": ("succeeded", 1), "asia": ("guarded", 0)}
    with lab.project() as project:
        assert failed_partitions(project, partitioned.name) == ["asia"]
        assert overview(project, Catalog({partitioned.name: partitioned}, ()))[0]["last_run"] is not None


def test_a_claim_is_seen(lab: Lab, partitioned: Sync) -> None:
    assert {row["dead"] for row in _all(lab, partitioned).values()} == {False}
    state = lab.state(partitioned, "us")
    state.store.put(state.name("claims/00000002.json"), b"{}")
    row = _all(lab, partitioned)["us"]
    assert (row["dead"], "the next run takes over" in row["claimed_by"]) == (True, True)


def test_the_copy_may_be_lost_or_wrong(lab: Lab, partitioned: Sync) -> None:
    _agree(lab, partitioned)
    store = State(lab.overrides["state_url"]).store
    for data in (b"{", b"{}", b'{"us": 5, "EU": []}',
                 b'{"us": ["another", {"status": "failed"}]}'):
        store.put("standings/users.people.json", data)
        _agree(lab, partitioned)
    store.delete("standings/users.people.json")
    _agree(lab, partitioned)


def test_a_partition_that_was_reset_has_no_record(lab: Lab, partitioned: Sync) -> None:
    _agree(lab, partitioned)
    lab.state(partitioned, "us").forget(2, "run", keep="history")
    found = State(lab.overrides["state_url"]).standings(partitioned.name)
    assert (found["us"].record, sorted(found, key=str)) == ({}, sorted(KEYS))


def test_nothing_of_a_person_stays_in_the_copy(lab: Lab, partitioned: Sync) -> None:
    state = lab.state(partitioned, "us")
    state.write_record(state.read_record() | {"error": "the user u-secret-7 is wrong"})
    _agree(lab, partitioned)
    with lab.project() as project:
        forget(project, {partitioned.name: partitioned}, "u-secret-7")
    store = State(lab.overrides["state_url"]).store
    holding = [name for name in store.list("") if b"u-secret-7" in (store.get(name) or b"")]
    assert holding == []


WORDS = "the user u-secret-7 is wrong"


def _forget(lab: Lab, sync: Sync) -> None:
    with lab.project() as project:
        forget(project, {sync.name: sync}, "u-secret-7")


def _holding(lab: Lab) -> list[str]:
    store = State(lab.overrides["state_url"]).store
    return [name for name in store.list("") if b"u-secret-7" in (store.get(name) or b"")]


@pytest.mark.parametrize("when", ["before it is written", "while it is written"])
def test_who_is_forgotten_while_another_process_ends_is_not_in_its_copy(
        lab: Lab, partitioned: Sync, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_copy, "_WORTH_IT", 1)
    other = State(lab.overrides["state_url"])
    us, eu = other.of(partitioned.name, "us"), other.of(partitioned.name, "EU")
    us.write_record(us.read_record() | {"error": WORDS})
    eu.write_record(eu.read_record() | {"error": "something else"})
    put = other.store.put

    def forgotten_first(name: str, *arguments: Any, **options: Any) -> bool:
        if name.startswith("standings/") and when == "while it is written":
            _forget(lab, partitioned)
        return put(name, *arguments, **options)

    monkeypatch.setattr(other.store, "put", forgotten_first)
    if when == "before it is written" or other.store.folder is not None:  # a disk has no copy
        _forget(lab, partitioned)
    other.close()
    assert _holding(lab) == []
    _agree(lab, partitioned)
    copy = State(lab.overrides["state_url"]).store.get("standings/users.people.json")
    if other.store.folder is None and when == "before it is written":
        assert b"something else" in (copy or b""), "the others stay in it"


def test_who_is_forgotten_later_is_not_in_a_copy_of_an_older_record(lab: Lab, partitioned: Sync) -> None:
    state = lab.state(partitioned, "us")
    before = state.read_record()
    state.write_record(before | {"error": WORDS})
    _agree(lab, partitioned)
    state.write_record(before)
    _forget(lab, partitioned)
    assert _holding(lab) == []
