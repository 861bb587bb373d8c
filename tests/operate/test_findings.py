"""The findings: each code is shown by `check`, `plan` and Dagster alike, and docs/findings.md has its row."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from candu_sync.operate import findings
from candu_sync.operate.finding import SEVERITIES
from candu_sync.operate.other_syncs import OtherSyncs
from candu_sync.simulator import Simulator
from candu_sync.syncs import load_syncs
from tests.support.folder import Folder
from tests.support.lab import Lab

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"

EVENT = "select 'e1' as event_id, user_id, 'Ran' as event, now()::timestamp as timestamp from people"


TODAY = dt.datetime.now(dt.UTC).date()


class Shown(NamedTuple):
    """A model that has a finding: the sync, its SQL and YAML, and what is in the finding's text."""

    sql: str
    text: str
    name: str = "users/profile"
    yaml: str | None = None


# What the columns show: check and plan alike.
OF_COLUMNS = {
    "email_not_text": Shown("select user_id, 5 as email from people", "email must be text: rows"),
    "not_email": Shown('select user_id, plan as "Email" from people', "rename: {Email: email}"),
    "alike": Shown('select user_id, plan as "Tier", plan as x from people', "'Tier' and 'tier' differ",
                   yaml="rename: {x: tier}"),
    "space": Shown('select user_id, plan as " plan" from people', "' plan' begins or ends with a space"),
    "no_traits": Shown("select user_id from people", "the model gives no traits: nothing would be sent"),
    "long_name": Shown(f'select user_id, plan as "{"long" * 40}" from people', "over 150 bytes"),
    "many_traits": Shown("select user_id, 1 as a, 2 as b, 3 as c from people", "sends 3 traits, over 2"),
    "two_senders": Shown("select user_id, 1 as seats from people",
                         "users/billing sends seats too: the last to run wins"),
    "near": Shown("select user_id, 1 as seats, 2 as saets from people", "'saets' and 'seats' differ by one letter"),
    "always_true": Shown("select user_id, true as in_trial from people", "removed: {in_trial: false}"),
    "unused_window": Shown("select user_id, plan from people where user_id <> ':window_start' -- :window_end",
                           "the partitions are daily, and the SQL uses neither :window_start nor :window_end",
                           yaml=f"partitions: {{daily: {TODAY - dt.timedelta(days=1)}}}"),
    "unused_partition": Shown("select user_id, plan from people", "the SQL never uses :partition",
                              yaml="partitions: {static: [free]}"),
    "no_users": Shown(EVENT, "there is no sync of users", "events/visits"),
}
# check alone: a plan ends with an error, or reads the model once
ALONE = {"unused_cursor", "model", "precondition", "unsendable", "unsteady",
         "other_route"}  # the last: tests/test_routes.py
OF_ROWS = {"id_spaces", "id_case", "late_window", "noise_tiny", "noise_reordered", "noise_went_back", "noise_came_back",
           # tests/changes/test_resent.py, tests/diff/test_identified.py; the last two: tests/operate/test_page_ids.py
           "identity", "unidentified", "ids_differ", "no_seen_ids",
           "own_events"}  # tests/operate/test_own_events.py


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [one["code"] for one in found]


def checked(project: Folder, *words: str) -> list[dict[str, Any]]:
    """The findings of ``check`` about all syncs."""
    return [found for row in project.cli("check", "--offline", "--json", *words).rows for found in row["findings"]]


def planned(project: Folder, name: str, *words: str) -> list[dict[str, Any]]:
    return list(project.cli("plan", name, "--json", *words).row["findings"])


@pytest.mark.parametrize("code", OF_COLUMNS)
def test_check_and_plan_show_the_same_findings(project: Folder, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if code == "many_traits":
        monkeypatch.setattr(findings, "MANY_TRAITS", 2)
    project.people(2)
    shown = OF_COLUMNS[code]
    if code == "two_senders":
        project.model("users/billing", "select user_id, 1 as seats from people")
        assert project.cli("run", "users/billing").code == 0
    project.model(shown.name, shown.sql, shown.yaml)
    of_check = checked(project, shown.name)
    assert codes(of_check) == [code]
    assert planned(project, shown.name) == of_check
    [found] = of_check
    assert found["severity"] == SEVERITIES[code]
    text = ". ".join(part for part in (found["sentence"], found["advice"]) if part)
    assert shown.text in text
    assert text in project.cli("plan", shown.name).out
    said = "" if found["severity"] == "error" else "warning: "
    ended = project.cli("check", shown.name, "--offline")
    assert f"candu-sync: {said}{shown.name}: {text}" in ended.err
    assert ended.code == (1 if found["severity"] == "error" else 0)


def test_a_name_one_letter_away_from_one_of_another_sync(project: Folder) -> None:
    project.people(2)
    project.model("users/billing", "select user_id, 1 as seats, plan as tier from people")
    project.model("users/profile", "select user_id, plan as seat, plan as tiers, plan as other from people")
    found = checked(project)
    assert [(one["sync"], one["column"]) for one in found] == [
        ("users/billing", "seats"), ("users/billing", "tier"), ("users/profile", "seat"), ("users/profile", "tiers")]
    assert found[2]["sentence"] == ("the trait 'seat' is one letter away from 'seats', which users/billing sends: for "
                                    "Candu they are two")
    assert project.cli("check", "--offline").code == 0


@pytest.mark.parametrize(("sql", "yaml", "found"), [
    ("select user_id, TRUE in_trial from people", None, ["in_trial"]),
    ("select user_id, cast(true as boolean) as flag from people union all select user_id, true as flag from people",
     "rename: {flag: in_trial}", ["in_trial"]),
    ("with t as (select user_id, true as seen from people) select t.user_id, t.seen from t", None, ["seen"]),
    ("select user_id, true as in_trial from people", "removed: {in_trial: false}", []),
    ("select user_id, true as a from people union all select user_id, false as a from people", None, []),
    ("select user_id, plan = 'pro' as is_pro from people", None, []),
    ("select user_id, plan as true_plan from people -- true as true_plan", None, []),
    ("select * from people", None, []),
])
def test_a_trait_that_is_always_true(project: Folder, sql: str, yaml: str | None, found: list[str]) -> None:
    project.people(2)
    project.model("users/profile", sql, yaml)
    assert [one["column"] for one in checked(project) if one["code"] == "always_true"] == found


@pytest.mark.parametrize(("where", "yaml", "code"), [
    ("where timestamp >= :window_start", "partitions: {daily: 2026-01-01}", None),
    ("where timestamp < :window_end", "partitions: {daily: 2026-01-01}", None),
    ("where :partition = 'x'", "partitions: {daily: 2026-01-01, static: [x]}", "unused_window"),
    ("where timestamp < :window_end", "partitions: {daily: 2026-01-01, static: [x]}", "unused_partition"),
    ("where :partition = 'x'", "partitions: {dynamic: x, values: select 'x'}", None),
    ("where '{:partition}' = 'x'", "partitions: {dynamic: x, values: select 'x'}", "unused_partition"),
    ("where timestamp >= :since", "cursor: {}", None),
    ("", "cursor: {}", "unused_cursor"),
])
def test_parameters_that_the_sql_never_uses(project: Folder, where: str, yaml: str, code: str | None) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    project.model("events/visits", f"select * from ({EVENT}) {where}", yaml)
    ended = project.cli("check", "events/visits", "--offline", "--json")
    assert codes(ended.row["findings"]) == ([] if code is None else [code])
    assert ended.code == (1 if code and SEVERITIES[code] == "error" else 0)


def test_what_the_rows_show_is_in_a_plan(project: Folder) -> None:
    project.table("people", user_id=["ada", " ada", "Bo", "bo"], plan=["free"] * 4)
    project.model("users/profile", "select user_id, plan from people")
    found = planned(project, "users/profile")
    assert codes(found) == ["id_spaces", "id_case"]
    assert "ids that begin or end with a space: 1 id." in found[0]["sentence"]
    assert "ids that differ from another by upper and lower case only: 2 ids." in found[1]["sentence"]


def test_noise_has_a_code_for_each_sign(project: Folder) -> None:
    project.model("users/profile", "select * from people")
    count = 12
    for total, tags, plan, users in ((1.0, "a,b", "x", count), (1.0 + 1e-12, "b,a", "y", 0), (1.0, "a,b", "x", count)):
        rows = count + users
        project.table("people", user_id=[f"u{n}" for n in range(rows)], total=[total] * rows, tags=[tags] * rows,
                      plan=[plan] * rows)
        found = planned(project, "users/profile")
        assert project.cli("run", "users/profile").code == 0
    assert {(one["code"], one["column"]) for one in found} == {
        ("noise_tiny", "total"), ("noise_reordered", "tags"), ("noise_went_back", "plan"), ("noise_came_back", None)}


def test_a_late_window_names_its_partition(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    assert project.cli("run", "users/profile").code == 0
    project.model("events/visits", "select 'e1' as event_id, user_id, 'Ran' as event, "
                  ":window_start::timestamptz as timestamp from people", "partitions: {daily: 2026-01-01}")
    [found] = planned(project, "events/visits", "--partition", "2026-01-01")
    assert (found["code"], found["partition"]) == ("late_window", "2026-01-01")


def test_check_alone_finds_models_types_and_what_differs(project: Folder) -> None:
    project.people(1)
    project.model("users/a", "select user_id, 1 as seats, [1] as tags from people")
    project.model("users/b", "select nothing from people")
    project.model("users/c", "select user_id, uuid()::varchar as x from people")
    project.model("users/d", "select user_id, plan from people", "dbt: {tests: true}")
    found = checked(project, "--twice")
    assert [(one["code"], one["sync"], one["column"]) for one in found] == [
        ("unsendable", "users/a", "tags"), ("model", "users/b", None), ("unsteady", "users/c", "x"),
        ("precondition", "users/d", None)]


def test_every_code_is_listed_with_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (error|warning) \| (.+) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {code: severity for code, severity, *_ in rows} == SEVERITIES
    assert len(rows) == len(SEVERITIES)


def test_every_code_is_shown_by_a_test_here() -> None:
    assert {*OF_COLUMNS} | ALONE | OF_ROWS == {*SEVERITIES}


class TestOtherSyncs:
    """What is known of the other syncs without a query."""

    def senders(self, lab: Lab) -> dict[str, list[str]]:
        catalog = load_syncs(lab.sql)
        with lab.project() as project:
            found = OtherSyncs(project, catalog).senders(catalog.syncs["users/profile"])
        return {name: sorted(traits) for name, traits in found.items()}

    @pytest.fixture
    def two(self, lab: Lab) -> Lab:
        lab.table("people", user_id=["u1"], plan=["pro"], seats=[1])
        lab.sync("users/profile", "select * from people")
        return lab

    def test_a_sync_that_never_ran_is_known_by_its_yaml(self, two: Lab) -> None:
        two.sync("users/billing", "select * from people", "{rename: {plan: tier}, removed: {gone: true}}")
        two.sync("groups/accounts", "select 1 as group_id, * from people")
        assert self.senders(two) == {"users/billing": ["gone", "tier"]}

    def test_a_change_set_that_is_staged_says_more(self, two: Lab) -> None:
        two.plan(two.sync("users/billing", "select * from people"))
        assert self.senders(two) == {"users/billing": ["plan", "seats"]}

    def test_so_does_the_snapshot_of_any_partition(self, two: Lab) -> None:
        billing = two.sync("users/billing", "select * from people where plan = :partition",
                           "partitions: {static: [free, pro, team]}")
        two.run(billing, "pro")
        assert self.senders(two) == {"users/billing": ["plan", "seats"]}

    @pytest.mark.parametrize(("sql", "yaml", "left"), [
        ("select user_id, seats from people", "", ["seats"]),
        ("select * from people", "omit: [plan]", ["seats"]),
        ("select * from people", "rename: {plan: tier}", ["seats", "tier"]),
        ("select user_id, 1 as plans, seats from people", "", ["seats"]),
    ])
    def test_a_trait_that_the_files_no_longer_name_is_left_out(self, two: Lab, sql: str, yaml: str,
                                                               left: list[str]) -> None:
        two.run(two.sync("users/billing", "select * from people"))
        two.sync("users/billing", sql, yaml)
        assert self.senders(two) == {"users/billing": left}

    def test_a_trait_that_left_the_model_is_forgotten(self, two: Lab) -> None:
        two.run(two.sync("users/billing", "select * from people"))
        two.run(two.sync("users/billing", "select user_id, plan from people"))
        assert self.senders(two) == {"users/billing": ["plan"]}

    def test_a_damaged_state_of_another_sync_stops_nothing(self, two: Lab) -> None:
        billing = two.sync("users/billing", "select * from people")
        two.run(billing)
        state = two.state(billing)
        Path(two.overrides["state_url"], state.name("versions", "00000001.json")).write_text("{")
        assert self.senders(two) == {"users/billing": []}

    def test_users_whose_file_is_wrong_or_gone_count(self, project: Folder) -> None:
        project.people(1)
        project.model("events/visits", EVENT)
        assert codes(planned(project, "events/visits")) == ["no_users"]
        project.model("users/profile", "-- nothing yet")
        assert codes(planned(project, "events/visits")) == ["unidentified"]
        project.model("users/profile", "select * from people")
        project.cli("run", "users/profile")
        for path in (project.sql / "users").iterdir():
            path.unlink()
        assert "no_users" not in codes(planned(project, "events/visits"))

    def test_a_check_of_one_sync_looks_at_the_others_too(self, project: Folder) -> None:
        project.people(1)
        project.model("users/profile", "select * from people")
        project.model("users/billing", "select * from people")
        project.cli("run", "users/billing")
        ended = project.cli("check", "users/profile", "--offline")
        assert ended.code == 1
        assert "users/billing sends plan too" in ended.err


def test_no_other_model_is_queried(project: Folder, simulator: Simulator) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    project.model("users/billing", "select * from people")
    project.cli("run", "users/billing")
    project.model("users/billing", "select *, cast('x' as integer) as wrong from no_such_table")
    assert [found["column"] for found in planned(project, "users/profile")] == ["plan"]
    assert json.dumps(simulator.users()).count("u0") == 1
