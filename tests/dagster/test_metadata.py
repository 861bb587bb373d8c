"""Numbers that the UI plots, tables that a person reads, and nothing of anybody's data."""

from __future__ import annotations

import re
from dataclasses import replace

from dagster import AssetKey, TableMetadataValue
from dagster._serdes import serialize_value

from dagster_defs.metadata import changes_metadata
from tests.dagster.room import CHANGES, PUSH, Room, metadata, people


def records(table: TableMetadataValue) -> list[dict[str, object]]:
    return [dict(record.data) for record in table.records]


def test_the_changes_are_counted_and_timed(room: Room) -> None:
    people(room)
    shown = metadata(room.materialize(CHANGES), CHANGES)
    counts = {name: shown[name] for name in ("rows", "added", "changed", "removed", "unchanged", "invalid", "messages")}
    assert counts == {"rows": 3, "added": 3, "changed": 0, "removed": 0, "unchanged": 0, "invalid": 0, "messages": 3}
    assert shown["dagster/row_count"] == 3
    assert shown["bytes"] > 100
    assert shown["seconds"] > 0
    assert re.fullmatch(r"read \d\.\d{3}, diff \d\.\d{3}", shown["seconds by phase"])
    assert shown["read by"] == "duckdb arrow"


def test_the_push_is_counted_and_timed(room: Room) -> None:
    people(room)
    shown = metadata(room.materialize(CHANGES, PUSH), PUSH)
    counts = {name: shown[name] for name in ("accepted", "refused", "waiting", "requests", "retries")}
    assert counts == {"accepted": 3, "refused": 0, "waiting": 0, "requests": 1, "retries": 0}
    assert shown["dagster/row_count"] == 3
    assert shown["seconds"] > 0
    assert re.fullmatch(r"push \d\.\d{3}, commit \d\.\d{3}", shown["seconds by phase"])


def test_the_push_says_how_to_ask_what_it_sent(room: Room) -> None:
    people(room)
    sent = metadata(room.materialize(CHANGES, PUSH), PUSH)
    assert sent["history"] == f"candu-sync history users/people --run {sent['change set']}"
    assert sent["first rows"].records[0].data == {
        "key": "u0", "outcome": "accepted", "why": "", "traits": "plan"}
    assert "history" not in metadata(room.materialize(CHANGES, PUSH), PUSH)


def test_the_first_rows_have_values_where_they_are_kept_and_asked_for(room: Room) -> None:
    people(room, yaml="history: values")
    room.simulator.fault("refuse", user_ids=["u1"], status=422)
    sent = metadata(room.materialize(CHANGES, PUSH, values=True), PUSH)
    rows = {row.data["key"]: (row.data["outcome"], row.data["traits"]) for row in sent["first rows"].records}
    assert rows == {"u0": ("accepted", "plan: – → free"), "u1": ("refused", "plan: – → free"),
                    "u2": ("accepted", "plan: – → free")}


def test_every_trait_has_its_count_and_a_wide_table_is_cut_at_fifty(room: Room) -> None:
    people(room)
    columns = ", ".join(f"n as trait_{n:02}" for n in range(60))
    sync = room.sync("users/wide", f"select 'u' || n as user_id, {columns} from range(3) as t(n)")
    rows = records(changes_metadata(room.plan(sync))["traits"])  # type: ignore[arg-type]
    assert len(rows) == 50
    assert rows[0] == {"trait": "trait_00", "messages": 3}
    assert rows[-1] == {"trait": "and 11 more", "messages": 33}


def test_new_traits_are_named_apart(room: Room) -> None:
    sync = people(room)
    assert "new traits" not in changes_metadata(room.plan(sync))
    assert room.run(sync).accepted == 3
    room.query("alter table people add column tier varchar default 'a'")
    assert changes_metadata(room.plan(sync))["new traits"].value == "backfill of tier: 3 rows"


def test_a_sample_shows_values_only_where_the_sync_says_so(room: Room) -> None:
    sync = people(room, yaml="preview: values")
    assert records(changes_metadata(room.plan(sync))["sample"])[0] == {  # type: ignore[arg-type]
        "key": "u0", "change": "added", "traits": "plan: – → free"}
    sync = people(room, yaml="preview: redacted")
    assert records(changes_metadata(room.plan(sync))["sample"])[0] == {  # type: ignore[arg-type]
        "key": "u0", "change": "added", "traits": "plan"}
    sync = people(room, yaml="preview: none")
    assert "sample" not in changes_metadata(room.plan(sync))


def test_a_setting_in_how_the_model_was_read_has_the_name_of_its_workspace(room: Room) -> None:
    found = replace(room.plan(people(room)), path="duckdb arrow (no row hashes: CANDU_ROW_HASHES is none)")
    assert changes_metadata(found)["read by"].value == found.path
    said = changes_metadata(found, workspace="eu")["read by"].value
    assert said == "duckdb arrow (no row hashes: CANDU_EU_ROW_HASHES is none)"


def test_requests_that_were_too_large_are_counted(room: Room) -> None:
    people(room)
    assert "requests too large" not in metadata(room.materialize(CHANGES, PUSH), PUSH)
    people(room, count=20)
    room.simulator.fault("status", status=413, more_than=10)
    assert metadata(room.materialize(CHANGES, PUSH), PUSH)["requests too large"] == 1


def test_no_value_and_no_key_is_in_the_event_log(room: Room) -> None:
    room.table("people", user_id=["ada@example.com"], email=["ada@example.com"], code=["mauve-17"], size=[2**53 + 1])
    room.sync("users/people", "select * from people")
    room.materialize(CHANGES, PUSH)
    room.sync("users/people", "select user_id, email, code from people", "guard: {min_rows: 9}")
    room.materialize(CHANGES, PUSH)
    room.simulator.fault("status", status=401)
    room.materialize(CHANGES, PUSH, force=True)
    runs = [run.run_id for run in room.instance.get_runs()]
    log = "".join(serialize_value(entry) for run in runs for entry in room.instance.all_logs(run))
    assert len(log) > 10_000
    for secret in ("ada@", "mauve-17", str(2**53 + 1), room.simulator.key):
        assert secret not in log


def test_the_log_of_a_run_does_not_grow_with_the_rows(room: Room) -> None:
    people(room, count=20_000)
    result = room.materialize(CHANGES, PUSH)
    log = "".join(serialize_value(entry) for entry in room.instance.all_logs(result.run_id))
    assert room.instance.get_latest_materialization_event(AssetKey(["candu", "users", "people"]))
    assert len(log) < 60_000
