"""Candu's own events, which its webhooks put into the warehouse, are not sent back unnoticed."""

from __future__ import annotations

from typing import Any

import pytest

from candu_sync.operate.own_events import about_own_events
from candu_sync.simulator import Simulator
from candu_sync.syncs import Sync
from tests.support.folder import Folder
from tests.support.lab import Lab

EXPORT = """
    select event_id, user_id, event, timestamp '2026-11-01 12:00:00' as timestamp, 5 as seats
    from (values ('1', 'u0', 'candu.sdk.content.interaction'), ('2', 'u0', 'Candu.sdk.content'),
                 ('3', 'u0', 'Upgraded'), ('4', 'u0', 'candu_sdk_form')) events(event_id, user_id, event)"""


def own(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if one["code"] == "own_events"]


def test_their_rows_are_set_aside_and_a_plan_says_so(project: Folder, simulator: Simulator) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    project.model("events/all", EXPORT)
    [found] = own(project.cli("plan", "events/all", "--json").row["findings"])
    assert (found["severity"], found["column"]) == ("warning", "event")
    assert found["sentence"] == "3 events have names of Candu's own (candu.sdk.): no such event is sent"
    ended = project.cli("run", "events/all", "--json")
    assert (ended.code, ended.row["accepted"], ended.row["invalid"]) == (4, 1, 3)
    assert ended.row["reasons"] == {"event name is Candu's own (candu.sdk.)": 3}
    assert [event["event"] for event in simulator.events()] == ["Upgraded"]


def test_a_table_that_candu_exported_is_named_by_check_and_plan(project: Folder) -> None:
    project.people(1)
    project.query("create schema raw; create table raw.candu_events as select 'e' as id, 'u0' as user_id")
    project.model("users/profile", "select user_id, count(*) as views from raw.candu_events group by all")
    project.model("events/back", "select id as event_id, user_id, 'Seen' as event, now() as timestamp "
                                 'from raw."candu_events" -- from candu_webhooks')
    rows = project.cli("check", "--offline", "--json").rows
    [of_check] = own([found for row in rows for found in row["findings"]])  # a trait of users may count them
    assert of_check["sync"] == "events/back"
    assert of_check["sentence"].startswith("the SQL reads raw.candu_events, which by the name holds events that Candu")
    assert own(project.cli("plan", "events/back", "--json").row["findings"]) == [of_check]
    assert of_check["sentence"] in project.cli("check", "--offline").err


@pytest.fixture
def events(lab: Lab) -> Sync:
    return lab.sync("events/x", "select 1")


@pytest.mark.parametrize(("sql", "table"), [
    ("select * from candu_events", "candu_events"),
    ("select * from a join `shop.candu_webhook_events` b using (id)", "shop.candu_webhook_events"),
    ("select * from Candu_Prod.Tracks where 1 = 1", "Candu_Prod.Tracks"),
    ("select * from candu.tutorial_interaction;", "candu.tutorial_interaction"),
    ("with e as (select * from [dbo].[candu_sdk_content]) select * from e", "dbo.candu_sdk_content"),
    ("select * from (select * from candu_exports)", "candu_exports"),
    ("select * from app.events", None),
    ("select * from marts.candu_product_events", None),
    ("select * from candu.orders", None),
    ("select 'from candu_events' /* from candu_events */ from app.visits -- from candu_events", None),
    ("with candu_events as (select * from app.visits) select * from candu_events", None),
    ("select candu_events from app.counts", None),
])
def test_names_of_tables(events: Sync, sql: str, table: str | None) -> None:
    dialect = "bigquery" if "`" in sql else "mssql" if "[" in sql else ""
    found = [one.sentence.split(",")[0] for one in about_own_events(events, sql, [], dialect)]
    assert found == ([f"the SQL reads {table}"] if table else [])


def test_a_dbt_model_of_the_project_may_be_made_for_candu(events: Sync) -> None:
    mine = events.model_copy(update={"sql": "select * from {{ ref('candu_events') }}"})
    assert list(about_own_events(mine, 'select * from "db"."marts"."candu_events"', [])) == []
    theirs = events.model_copy(update={"sql": "select * from {{ source('candu', 'candu_events') }}"})
    assert len(list(about_own_events(theirs, 'select * from "db"."raw"."candu_events"', []))) == 1


@pytest.mark.parametrize(("properties", "found"), [
    (["contentId", "segmentId", "placementId"], True), (["content_id", "document_id", "version_id", "plan"], True),
    (["tutorialId", "portalId", "segmentId"], True), (["content_id", "segment_id", "plan"], False),
])
def test_identifiers_of_candus_events_as_properties(events: Sync, properties: list[str], found: bool) -> None:
    assert bool(list(about_own_events(events, "select * from app.things", properties))) is found
