"""``status``: how things are, why something failed, since when, and what is wrong for a probe."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from candu_sync.cli.status import _MOST_PARTITIONS
from candu_sync.simulator import Simulator
from candu_sync.syncs import late_after
from tests.support.folder import Folder


def profile(project: Folder, rows: int = 4, yaml: str = "") -> None:
    project.people(rows)
    project.model("users/profile", "select * from people", yaml)


def test_the_three_words_and_what_happens_next(project: Folder, simulator: Simulator) -> None:
    project.people(6, size="if(i = 4, 9007199254740993, i)")
    project.model("users/profile", "select * from people")
    simulator.fault("refuse", user_ids=["u0"], status=422)
    ran = project.cli("run", "users/profile")
    table = project.cli("status")
    for said in (ran.out, table.out):
        assert "1 row invalid: not sent" in said
        assert "1 row refused: Candu said no" in said
    row = project.cli("status", "--json").row
    assert (row["rows"], row["invalid"], row["refused"], row["waiting"]) == (6, 1, 1, 0)
    assert (row["rejected"], row["pending"]) == (1, 0)
    assert "invalid: not sent" in project.cli("plan", "users/profile").out


def test_a_failure_has_its_reason_and_since_when_and_the_counts_stay(project: Folder, simulator: Simulator) -> None:
    profile(project)
    project.cli("run", "users/profile", "--sample", "3")
    assert "1 message waiting for the next run" in project.cli("status").out
    project.model("users/profile", "select nothing from people")
    project.cli("run", "users/profile")
    first = project.cli("status", "--json").row
    project.cli("run", "users/profile")
    row = project.cli("status", "--json").row
    assert (row["status"], row["since"], row["rows"], row["waiting"]) == ("failed", first["last_run"], 3, 1)
    assert "nothing" in row["error"]
    assert row["error"].splitlines()[0] in project.cli("status").out
    assert project.cli("status", "users/profile", "--failed", "--json").row["sync"] == "users/profile"
    profile(project)
    project.cli("run", "users/profile")
    assert project.cli("status", "--failed", "--json").rows == []
    assert project.cli("status", "--json").row["error"] is None


def test_a_plan_that_is_staged_and_fails_is_remembered(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select nothing from people")
    project.cli("plan", "users/profile")
    assert project.cli("status", "--json").row["status"] is None
    project.cli("plan", "users/profile", "--save")
    assert project.cli("status", "--json").row["status"] == "failed"


def test_names_choose_and_one_that_is_none_is_an_error(project: Folder) -> None:
    profile(project)
    project.model("users/other", "select user_id, plan as tier from people")
    project.cli("run", "--all")
    assert [row["sync"] for row in project.cli("status", "users/other", "--json").rows] == ["users/other"]
    assert project.cli("status", "users/othr").code == 2
    (project.sql / "users/other.sql").unlink()
    assert project.cli("status", "users/other", "--json").row["orphaned"] is True


def test_many_partitions_are_one_line_and_those_that_failed(project: Folder, simulator: Simulator) -> None:
    keys = [f"k{i}" for i in range(_MOST_PARTITIONS + 1)]
    project.people(1)
    project.model("users/profile", "select user_id || :partition as user_id, plan from people",
                  f"partitions: {{static: [{', '.join(keys)}]}}")
    simulator.fault("status", status=503, after=len(keys) - 1)
    project.cli("run", "users/profile", max_attempts="1")
    lines = project.cli("status").out.splitlines()
    assert f"{len(keys)} partitions" in lines[1]
    assert f"{len(keys) - 1} succeeded, 1 failed" in lines[1]
    assert [line for line in lines if line.startswith("users/profile  k")] == [lines[2]]
    assert len(project.cli("status", "--json").rows) == len(keys)
    assert "users/profile  k0" in project.cli("status", "users/profile").out


def test_check_ends_with_1_and_the_reason(project: Folder, simulator: Simulator) -> None:
    profile(project, 100)
    assert project.cli("run", "users/profile").code == 0
    well = project.cli("status", "--check")
    assert (well.code, well.out, well.err) == (0, "ok: 1 sync or partition\n", "")
    project.query("update people set plan = 'new'")
    project.cli("run", "users/profile")
    stopped = project.cli("status", "--check")
    assert (stopped.code, stopped.out) == (1, "")
    assert "users/profile: stopped by a guard since" in stopped.err
    project.cli("run", "users/profile", "--force")
    assert project.cli("status", "--check").code == 0


def test_check_sees_that_more_rows_are_left_over(project: Folder) -> None:
    profile(project, 4)
    project.cli("run", "users/profile")
    project.query("update people set user_id = null where user_id = 'u1'")
    project.cli("run", "users/profile")
    found = project.cli("status", "--check")
    assert (found.code, "growing: 1 rows and messages" in found.err) == (1, True)
    for _ in range(5):
        project.cli("run", "users/profile")
    assert project.cli("status", "--check").code == 0


def test_check_sees_that_a_sync_is_late(project: Folder) -> None:
    profile(project, 4, 'automation: "0 * * * *"')
    never = project.cli("status", "--check")
    assert (never.code, "stale: no run ended well yet" in never.err) == (1, True)
    project.cli("run", "users/profile")
    assert project.cli("status", "--check").code == 0
    path = next((project.folder / "state").glob("last/*/*.json"))
    body = json.loads(path.read_text())
    body["succeeded_at"] = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)).isoformat()
    path.write_text(json.dumps(body))
    late = project.cli("status", "--check")
    assert (late.code, "stale: the last run that ended well was at" in late.err) == (1, True)


@pytest.mark.parametrize(("automation", "minutes"), [("0 * * * *", 75), ("*/10 * * * *", 25), ("on_upstream", None)])
def test_how_late_is_late(automation: str, minutes: int | None) -> None:
    found = late_after(automation)
    assert (found.total_seconds() / 60 if found else None) == minutes


def test_a_record_of_an_earlier_version_is_read(project: Folder) -> None:
    profile(project)
    project.cli("run", "users/profile")
    path = next((project.folder / "state").glob("last/*/*.json"))
    body = json.loads(path.read_text())
    old = {name: value for name, value in body.items() if name not in ("refused", "waiting", "since", "left")}
    path.write_text(json.dumps(old | {"rejected": 2, "unsent": 3}))
    row = project.cli("status", "--json").row
    assert (row["refused"], row["waiting"], row["since"]) == (2, 3, row["last_run"])


def test_a_partition_that_cannot_be_is_refused(project: Folder) -> None:
    project.people(2)
    project.model("users/plans", "select user_id, plan from people where plan = :partition",
                  "partitions: {static: [pro, free]}")
    project.model("users/profile", "select user_id, plan as p from people")
    ended = project.cli("status", "users/plans", "--partition", "pto")
    assert (ended.code, ended.out) == (2, "")
    assert "users/plans has no partition pto; did you mean pro?" in ended.err
    assert project.cli("status", "--partition", "pro").code == 0


def test_a_dynamic_partition_that_was_reset_is_not_listed(project: Folder) -> None:
    project.people(2)
    project.model("users/plans", "select user_id, plan from people where plan = :partition",
                  "partitions: {dynamic: plans, values: select 'pro' union all select 'free' order by 1}")
    project.cli("run", "users/plans")
    assert [row["partition"] for row in project.cli("status", "users/plans", "--json").rows] == ["free", "pro"]
    project.cli("reset", "users/plans", "--partition", "free")
    assert [row["partition"] for row in project.cli("status", "users/plans", "--json").rows] == ["pro"]


def test_a_sync_of_which_no_partition_is_there_says_so(project: Folder) -> None:
    project.people(2)
    project.model("users/plans", "select user_id, plan from people where plan = :partition",
                  "partitions: {dynamic: plans, values: select plan from people where false}")
    ended = project.cli("run", "users/plans")
    assert ended.code == 0
    assert "users/plans has no partition now: the SQL of `values` finds no key" in ended.err
