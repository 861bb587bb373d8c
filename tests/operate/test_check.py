"""`check`: every model against the warehouse without its rows, names, traits sent twice, and the key."""

from __future__ import annotations

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder


def test_all_is_well(project: Folder, simulator: Simulator) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    project.model("groups/accounts", "select 1 as group_id, user_id, plan from people")
    project.model("events/visits", "select 1 as event_id, user_id, 'Visited' as event, current_date as timestamp, plan "
                                   "from people")
    ended = project.cli("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "users/profile: ok, 1 trait", "groups/accounts: ok, 1 trait", "events/visits: ok, 1 property",
        f"Candu at {simulator.url} accepts the key"]
    assert [(r["method"], r["path"], r["status"]) for r in simulator.requests()] == [
        ("GET", "/api/contentMetadata", 200)]


def test_offline_asks_nothing_of_candu_and_needs_no_key(project: Folder, simulator: Simulator) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    ended = project.cli("check", "--offline", api_key="")
    assert (ended.code, ended.out) == (0, "users/profile: ok, 1 trait\n")
    assert not simulator.requests()


def test_no_row_is_read(project: Folder) -> None:
    """The model fails on its only row, as a run shows."""
    project.table("people", user_id=["u1"], age=["old"])
    project.model("users/profile", "select user_id, cast(age as integer) as age from people")
    assert project.cli("check").code == 0
    assert project.cli("run", "users/profile").code == 1


@pytest.mark.parametrize(("columns", "says"), [
    ("[1, 2] as tags", "users/profile: column tags: an array cannot be a value"),
    ("{a: 1} as address", "users/profile: column address: an object cannot be a value"),
    ("'x'::blob as picture", "users/profile: column picture: binary cannot be a value"),
    ("interval 1 day as age", "users/profile: column age: an interval cannot be a value"),
    ("5 as email", "users/profile: email must be text"),
    ("missing", "users/profile: the warehouse refused the query: Binder Error"),
    ("1 as a, 2 as a", "users/profile: "),
])
def test_what_cannot_be_sent_is_an_error_that_names_sync_and_column(
        project: Folder, columns: str, says: str) -> None:
    project.people(2)
    project.model("users/profile", f"select user_id, {columns} from people")
    project.model("users/other", "select user_id, plan from people")
    ended = project.cli("check", "--offline")
    assert ended.code == 1
    assert says in ended.err
    assert "users/other: ok" in ended.out
    assert "users/profile: not ok" in ended.out


def test_a_renamed_column_is_named_as_the_sql_has_it(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select user_id, [1] as tags from people", "rename: {tags: labels}")
    assert "users/profile: column tags: " in project.cli("check", "--offline").err


@pytest.mark.parametrize(("kind", "sql", "says"), [
    ("users", "select 'u1' as userid", "no column user_id, which a sync of users needs; did you mean userid?"),
    ("users", "select 'u1' as USER_ID", "did you mean USER_ID? Name it with `as user_id`"),
    ("users", "select true as user_id", "a boolean cannot be an id"),
    ("groups", "select 'u1' as user_id, 'g1' as grp_id", "no column group_id"),
    ("events", "select 'e1' as event_id, 'u1' as user_id, 'Ran' as event, now() as at", "no column timestamp"),
    ("events", "select 'e1' as event_id, 'u1' as user_id, 'Ran' as event, 5 as timestamp", "is not a point in time"),
])
def test_a_required_column_is_asked_for(project: Folder, kind: str, sql: str, says: str) -> None:
    project.people(1)
    project.model(f"{kind}/wrong", sql)
    ended = project.cli("check", "--offline")
    assert ended.code == 1
    assert says in ended.err


def test_two_syncs_of_one_kind_may_not_send_one_trait(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select user_id, plan from people")
    project.model("users/billing", "select user_id, plan as tier from people", "rename: {tier: plan}")
    project.model("groups/accounts", "select 1 as group_id, user_id, plan from people")
    ended = project.cli("check", "--offline")
    assert ended.code == 1
    assert ended.err.count("the last to run wins") == 2
    assert "users/profile: users/billing sends plan too: the last to run wins" in ended.err
    assert "users/billing: users/profile sends plan too: the last to run wins" in ended.err
    project.model("users/billing", "select user_id, plan as tier from people", "omit: [tier]")
    assert project.cli("check", "--offline").code == 0


@pytest.mark.parametrize(("column", "says"), [
    ('as "Email"', "rename: {Email: email}"),
    ('as "emial"', "rename: {emial: email}"),
    ('as "E-mail"', "rename: {E-mail: email}"),
    ('as "Plan ", 1 as "plan"', "'Plan ' and 'plan' differ by upper and lower case or spaces only"),
    ('as " plan"', "begins or ends with a space"),
    (f'as "{"long" * 40}"', "over 150 bytes"),
])
def test_what_is_odd_is_a_warning(project: Folder, column: str, says: str) -> None:
    project.people(1)
    project.model("users/profile", f"select user_id, plan {column} from people")
    ended = project.cli("check", "--offline")
    assert ended.code == 0
    assert ended.err.startswith("candu-sync: warning: users/profile")
    assert says in ended.err


def test_many_traits_and_events_alone_are_warned_about(project: Folder) -> None:
    project.people(1)
    many = ", ".join(f"{n} as p{n}" for n in range(301))
    project.model("events/visits", f"select 1 as event_id, user_id, 'Ran' as event, now() as timestamp, {many} "
                                   "from people")
    ended = project.cli("check", "--offline")
    assert ended.code == 0
    assert "sends 301 traits, over 300" in ended.err
    assert "events alone are not enough" in ended.err


def test_partitions_are_bound_so_that_a_model_can_be_prepared(project: Folder) -> None:
    project.people(2)
    project.model("users/static", "select user_id, plan as a from people where plan = :partition",
                  "partitions: {static: [pro]}")
    project.model("users/dynamic", "select user_id, plan as b from people where plan = :partition",
                  "partitions: {dynamic: plans, values: select distinct plan from people}")
    event = "select user_id as event_id, user_id, 'Ran' as event, now()::timestamp as timestamp from people where "
    project.model("events/daily", event + "now() >= :window_start and now() < :window_end",
                  "partitions: {daily: 2026-11-01}")
    project.model("events/since", event + "now() > :since", "cursor: {column: timestamp}")
    project.model("events/unbound", event + "now() > :window_start")
    ended = project.cli("check", "--offline")
    assert ended.out.count(": ok") == 4
    assert ended.code == 1
    assert "events/unbound" in ended.err
    assert "window_start" in ended.err


def test_only_the_named_syncs_are_looked_at(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    project.model("users/wrong", "select nothing from people")
    ended = project.cli("check", "users/profile", "--offline")
    assert (ended.code, ended.out) == (0, "users/profile: ok, 1 trait\n")


def test_a_warehouse_without_a_hash_has_no_shards(project: Folder) -> None:
    (project.folder / "wh.sqlite").touch()
    project.overrides["warehouse_url"] = f"sqlite:///{project.folder}/wh.sqlite"
    project.model("users/profile", "select 'u1' as user_id, 'pro' as plan", "partitions: {shards: 2}")
    ended = project.cli("check", "--offline")
    assert ended.code != 0
    assert "sqlite has no hash that divides the rows into shards" in ended.out + ended.err
