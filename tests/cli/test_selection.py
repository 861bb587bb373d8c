"""Which syncs and partitions a command is about: patterns, folders, tags, what failed, ranges."""

from __future__ import annotations

import datetime as dt

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Ended, Folder
from tests.support.waiting import today

BY_PLAN = "select user_id, plan as {} from people where plan = :partition"
STATIC = "partitions: {static: [free, pro, team]}"


@pytest.fixture
def shop(project: Folder) -> Folder:
    """Four syncs of users, one of them in a folder of its own, and one of groups."""
    project.people(4)
    plans = f"{STATIC}\nguard: {{min_rows: 0}}"
    for name, yaml in (("users/profile", "tags: {domain: growth, nightly: ''}"), ("users/eu/profile", None),
                       ("users/billing", "tags: {domain: money}"), ("users/plans", plans)):
        trait = name.replace("/", "_")
        sql = BY_PLAN.format(trait) if name == "users/plans" else f"select user_id, plan as {trait} from people"
        project.model(name, sql, yaml)
    project.model("groups/accounts", "select 'g1' as group_id, user_id, 5 as seats from people",
                  "tags: {domain: growth}\nautomation: '0 6 * * *'")
    return project


def names(ended: Ended) -> list[str]:
    return list(dict.fromkeys(row["sync"] for row in ended.rows))


ALL = ["users/billing", "users/eu/profile", "users/plans", "users/profile", "groups/accounts"]


@pytest.mark.parametrize(("words", "found"), [
    (["users/*"], ALL[:4]),
    (["*/profile"], ["users/eu/profile", "users/profile"]),
    (["users/p*", "groups/accounts"], ["users/plans", "users/profile", "groups/accounts"]),
    (["users"], ALL[:4]),
    (["users/eu/"], ["users/eu/profile"]),
    (["users/[bp]illing"], ["users/billing"]),
    (["--all"], ALL),
    (["--tag", "domain=growth"], ["users/profile", "groups/accounts"]),
    (["--tag", "domain:growth", "users"], ["users/profile"]),
    (["--tag", "nightly", "--tag", "domain=money"], ["users/billing", "users/profile"]),
    (["--all", "--exclude", "users/e*", "--exclude", "groups"], ["users/billing", "users/plans", "users/profile"]),
    (["users", "--exclude", "users/profile"], ["users/billing", "users/eu/profile", "users/plans"]),
])
@pytest.mark.parametrize("command", ["plan", "check"])
def test_what_the_words_stand_for(shop: Folder, command: str, words: list[str], found: list[str]) -> None:
    more = ["--offline"] if command == "check" else []
    assert names(shop.cli(command, "--json", *more, *words)) == found


@pytest.mark.parametrize(("words", "says"), [
    (["run", "user/*"], "no sync is like user/* (there are: users/billing, "),
    (["run", "user"], "there is no sync user; did you mean users?"),
    (["run", "users/profil"], "did you mean users/profile?"),
    (["run", "--tag", "domain=grwth"], "no sync has the tag domain=grwth; did you mean domain=growth? (there are: "),
    (["run", "users/billing", "--tag", "domain=growth"], "has the tag domain=growth; did you mean domain=money?"),
    (["run", "--all", "--exclude", "users/profil"], "there is no sync users/profil; did you mean users/profile?"),
    (["run", "users", "--exclude", "users"], "--exclude leaves no sync"),
    (["run", "--exclude", "users/profile"], "run what? Name a sync"),
    (["check", "users", "--all"], "users, or --all?"),
    (["baseline", "nothing"], "there is no sync nothing"),
])
def test_words_that_stand_for_nothing_end_with_2(shop: Folder, simulator: Simulator, words: list[str],
                                                 says: str) -> None:
    ended = shop.cli(*words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert not simulator.requests()


def test_failed_runs_what_failed_and_nothing_else(shop: Folder, simulator: Simulator) -> None:
    shop.model("users/plans", "select user_id, case when plan = 'pro' then cast(plan as int) end as tier from people "
                              "where plan = :partition", f"{STATIC}\nguard: {{min_rows: 0}}")
    shop.model("users/billing", "select nothing from people")
    assert shop.cli("run", "--all").code == 1
    shop.model("users/billing", "select user_id, plan as billing from people")
    again = shop.cli("run", "--failed", "--json")
    assert [(row["sync"], row["partition"], row["status"]) for row in again.rows] == [
        ("users/billing", None, "succeeded"), ("users/plans", "pro", "failed")]
    assert [row["partition"] for row in shop.cli("plan", "users/*", "--failed", "--json").rows] == ["pro"]
    assert names(shop.cli("check", "--failed", "--offline", "--json")) == ["users/plans"]
    assert shop.cli("plan", "--failed", "--partition", "free", "--json").rows == []
    shop.model("users/plans", BY_PLAN.format("tier"))
    assert shop.cli("run", "--failed", "--json").row["status"] == "succeeded"
    nothing = shop.cli("run", "--failed", "--json")
    assert (nothing.code, nothing.out) == (0, "")
    assert "nothing failed" in nothing.err


def test_failed_counts_what_a_guard_stopped(shop: Folder) -> None:
    shop.model("users/billing", "select user_id, plan as billing from people where false")
    assert shop.cli("run", "--all").code == 3
    assert names(shop.cli("run", "--failed", "--json")) == ["users/billing"]
    assert names(shop.cli("run", "--failed", "--allow", "rows", "--json")) == ["users/billing"]
    assert shop.cli("run", "--failed", "--json").out == ""


def test_a_partition_that_failed_and_is_gone_is_left_out(shop: Folder) -> None:
    shop.model("users/plans", "select nothing from people where plan = :partition")
    assert shop.cli("run", "users/plans").code == 1
    shop.model("users/plans", BY_PLAN.format("tier"), "partitions: {static: [pro]}")
    assert [row["partition"] for row in shop.cli("run", "--failed", "--json").rows] == ["pro"]


def test_a_file_that_cannot_be_read_may_have_the_tag(shop: Folder) -> None:
    shop.model("users/broken", "select 1", "tags: {domain: growth}\ngaurd: {}")
    ended = shop.cli("plan", "--tag", "domain=growth", "--json")
    assert (ended.code, names(ended)) == (2, ["users/profile", "groups/accounts", "users/broken"])
    assert shop.cli("plan", "users/p*", "--tag", "domain", "--json").code == 0
    assert names(shop.cli("plan", "users/b*", "--json")) == ["users/billing", "users/broken"]
    assert shop.cli("plan", "users/b*", "--exclude", "users/broken", "--json").code == 0


def test_partitions_of_a_range(shop: Folder, simulator: Simulator) -> None:
    ended = shop.cli("run", "users/plans", "--partition", "free..pro", "--json")
    assert [row["partition"] for row in ended.rows] == ["free", "pro"]
    assert [row["partition"] for row in shop.cli("status", "--partition", "pro..team", "--json").rows] == ["pro"]
    days = [str(today() - dt.timedelta(days=n)) for n in (3, 2, 1)]
    shop.model("events/visits", "select 'e' as event_id, 'u1' as user_id, 'Ran' as event, :window_start as timestamp",
               "partitions: {daily: 2026-01-01}")
    rows = shop.cli("plan", "events/visits", "--partition", f"{days[0]}..{days[2]}", "--json").rows
    assert [row["partition"] for row in rows] == days
    wrong = shop.cli("plan", "events/visits", "users/plans", "--partition", f"{days[2]}..{days[0]}", "--json")
    assert wrong.code == 2
    assert "write the range as" in wrong.err
    assert [row["status"] for row in wrong.rows] == ["failed", "failed"]  # the static one has no such keys
    reset = shop.cli("reset", "users/plans", "--partition", "free..team", "--json")
    assert [row["partition"] for row in reset.rows] == ["free", "pro"]


def test_an_error_of_the_model_is_said_once(shop: Folder) -> None:
    shop.model("users/plans", "select user_id, nothing from people where plan = :partition")
    for command in ("run", "plan", "baseline"):
        ended = shop.cli(command, "users/plans", "--json")
        assert [(row["partition"], row["status"]) for row in ended.rows] == [
            (key, "failed") for key in ("free", "pro", "team")]
        assert all("nothing" in row["error"] for row in ended.rows)
        assert ended.err.count("nothing") == 1
        assert "users/plans: the same in 2 more partitions: pro, team" in ended.err
    shown = shop.cli("status", "users/plans").out
    assert shown.count("nothing") == 1
    assert "users/plans [free] and 2 more partitions: failed" in shown


def test_errors_that_differ_are_said_each(shop: Folder) -> None:
    ended = shop.cli("run", "users/plans", "--partition", "free", "--partition", "teem", "--partition", "prp")
    assert "teem" in ended.err
    shop.model("users/plans", BY_PLAN.format("tier"), f"{STATIC}\nguard: {{min_rows: 5}}")
    ended = shop.cli("run", "users/plans")
    assert ended.err.count("the model returned 2 rows") == 1
    assert ended.err.count("the model returned 0 rows") == 1


def test_list_shows_schedules_and_tags(shop: Folder) -> None:
    rows = {row["sync"]: row for row in shop.cli("list", "--json").rows}
    assert (rows["groups/accounts"]["schedule"], rows["users/profile"]["schedule"]) == ("0 6 * * *", None)
    assert rows["users/profile"]["tags"] == {"domain": "growth", "nightly": ""}
    date = today()
    shop.cli("run", "groups/accounts")
    [line] = [line for line in shop.cli("list").out.splitlines() if line.startswith("groups/accounts")]
    for cell in ("0 6 * * *", "domain=growth", "succeeded", str(date)):
        assert cell in line


@pytest.mark.parametrize(("words", "says"), [
    (["users/*"], "of 4 syncs (users/billing, users/eu/profile, users/plans, users/profile)?"),
    (["users/eu"], "of 1 sync (users/eu/profile)?"),
    (["--tag", "domain=growth"], "of 2 syncs (users/profile, groups/accounts)?"),
    (["--all", "--exclude", "users"], "of all 1 sync?"),
])
def test_a_reset_asks_where_syncs_are_not_named(shop: Folder, words: list[str], says: str) -> None:
    shop.cli("run", "users/profile", "groups/accounts")
    before = shop.state_files()
    asked = shop.cli("reset", *words)
    assert (asked.code, asked.out) == (2, "")
    assert says in asked.err
    assert shop.state_files() == before
    assert shop.cli("reset", *words, "--yes").code == 0


def test_a_reset_of_named_syncs_does_not_ask(shop: Folder) -> None:
    shop.cli("run", "users/profile", "users/billing")
    assert shop.cli("reset", "users/profile", "users/billing").code == 0
    assert shop.cli("run", "users/profile", "--json").row["added"] == 4


def test_the_state_of_a_sync_that_is_gone_can_be_dropped(shop: Folder) -> None:
    shop.cli("run", "users/plans", "users/profile")
    for file in (shop.sql / "users/plans.sql", shop.sql / "users/plans.yaml"):
        file.unlink()
    note = shop.cli("status").err
    assert "users/plans is no longer a sync" in note
    assert "`candu-sync rename users/plans NEW`" in note
    assert "`candu-sync reset users/plans` drops the state" in note
    assert [row["orphaned"] for row in shop.cli("status", "users/pl*", "--json").rows] == [True] * 3
    dropped = shop.cli("reset", "users/plans").out
    assert "users/plans [pro]: what was sent is forgotten; it is no longer a sync" in dropped
    assert "users/plans" not in shop.cli("status").err
    assert names(shop.cli("status", "--json")) == [name for name in ALL if name != "users/plans"]
    assert shop.cli("run", "users/plans").code == 2


def test_rejected_and_history_take_several_syncs(shop: Folder) -> None:
    for name in ("bad", "worse"):
        shop.model(f"users/{name}", f"select nullif(user_id, 'u2') as user_id, plan as {name} from people")
    shop.cli("run", "users/bad", "users/billing", "groups")
    assert names(shop.cli("rejected", "users/*", "--json")) == ["users/bad"]
    assert "sync" not in shop.cli("rejected", "--all").out.splitlines()[0]
    shop.cli("run", "users/worse")
    assert "users/worse" in shop.cli("rejected", "--all").out
    assert set(names(shop.cli("history", "groups", "users/billing", "--json"))) == {"groups/accounts", "users/billing"}
    assert set(names(shop.cli("history", "--tag", "domain=growth", "--json"))) == {"groups/accounts"}
    assert "history of what?" in shop.cli("history", "--exclude", "users").err
    assert "no run whose name begins with zzz sent anything" in shop.cli("history", "--run", "zzz").out
