"""`rename`: what was sent moves to the sync's new name, whole, and nothing is sent again."""

from __future__ import annotations

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.killing import killed_at

pytestmark = pytest.mark.slow

VISITS = "select user_id || '-1' as event_id, user_id, 'Ran' as event, timestamp '2026-11-01 06:00' as timestamp " \
         "from people"
KEY = "key: event_id"
BY_PLAN = "select * from people where plan = :partition"
STATIC = "partitions: {static: [free, Pro]}"


def moved(project: Folder, old: str, new: str) -> None:
    """Rename the files of a sync, as a person does."""
    for suffix in ".sql", ".yaml":
        path = project.sql / f"{old}{suffix}"
        if path.exists():
            path.rename(project.sql / f"{new}{suffix}")


@pytest.fixture(params=["disk", "s3"])
def anywhere(project: Folder, request: pytest.FixtureRequest) -> Folder:
    """A project whose state is on a disk, and in S3."""
    if request.param == "s3":
        project.overrides["state_url"] = request.getfixturevalue("s3_url")
    project.people(6)
    return project


def test_nothing_is_sent_again_and_the_history_goes_along(anywhere: Folder, simulator: Simulator) -> None:
    project = anywhere
    project.model("events/visits", VISITS, KEY)
    assert project.cli("run", "events/visits").code == 0
    before = project.cli("history", "events/visits", "--json").rows
    moved(project, "events/visits", "events/calls")
    ended = project.cli("rename", "events/visits", "events/calls")
    assert (ended.code, ended.out) == (0, "events/visits: what was sent is now of events/calls (1 partition)\n")
    again = project.cli("run", "events/calls", "--json").row
    assert (again["status"], again["added"], again["accepted"], again["requests"]) == ("succeeded", 0, 0, 0)
    assert len(simulator.messages()) == 6
    after = project.cli("history", "events/calls", "--json").rows
    assert after == [row | {"sync": "events/calls"} for row in before]
    assert len(after) == 6
    project.query("insert into people values ('u9', 'pro')")
    assert project.cli("run", "events/calls", "--json").row["accepted"] == 1
    assert len(project.cli("history", "--user", "u9", "--json").rows) == 1


def test_what_was_refused_and_set_aside_goes_along(project: Folder, simulator: Simulator) -> None:
    project.people(6, size="if(i = 4, 9007199254740993, i)")
    project.model("users/profile", BY_PLAN.replace(":partition", "lower(:partition)"), STATIC)
    simulator.fault("refuse", user_ids=["u0"], status=422)
    assert project.cli("run", "users/profile").code == 4
    simulator.clear_faults()
    rejected = project.cli("rejected", "users/profile", "--json").rows
    status = project.cli("status", "--json").rows
    moved(project, "users/profile", "users/people")
    assert project.cli("rename", "users/profile", "users/people", "--json").row == {
        "sync": "users/people", "renamed_from": "users/profile", "partitions": 2}
    assert project.cli("rejected", "users/people", "--json").rows == [
        row | {"sync": "users/people"} for row in rejected]
    assert len(rejected) == 2
    assert project.cli("status", "--json").rows == [row | {"sync": "users/people"} for row in status]
    assert "users.profile" not in project.cli("status", "--json").out
    rows = project.cli("run", "users/people", "--json").rows
    assert [(row["added"], row["unchanged"], row["requests"]) for row in rows] == [(0, 3, 0), (0, 1, 0)]


def test_it_is_refused_with_a_sentence(project: Folder) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    project.model("users/other", "select * from people")
    project.model("groups/teams", "select user_id as group_id, user_id from people")
    project.cli("run", "users/profile", "users/other")
    for old, new, why in [
            ("users/profile", "users/profile", "has that name already"),
            ("users/profile", "users/other", "users/profile is still a sync of this project"),
            ("users/gone", "users/nobody", "there is no sync users/nobody"),
            ("users/gone", "groups/teams", "users/gone is a sync of users, groups/teams is one of groups"),
            ("users/gone", "users/other", "users/other has a state already"),
            ("groups/gone", "groups/teams", "groups/gone has no state")]:
        ended = project.cli("rename", old, new)
        assert ended.code == 2
        assert why in ended.err
    assert project.cli("run", "--all", "--json").rows[0]["added"] == 0


def test_a_run_at_work_is_left_in_peace(project: Folder, simulator: Simulator) -> None:
    project.people(5)
    project.model("users/profile", "select * from people")
    simulator.fault("delay", seconds=60)
    running = project.start("run", "users/profile", timeout="100")
    while project.cli("status", "--json").row["claimed_by"] is None:
        assert running.poll() is None
    moved(project, "users/profile", "users/people")
    ended = project.cli("rename", "users/profile", "users/people")
    assert ended.code == 1
    assert "has claimed users/profile" in ended.err
    assert not [name for name in project.state_files() if name.startswith("users.people/")]
    running.kill()
    running.communicate()


def test_a_run_that_died_is_folded_in_first(project: Folder, simulator: Simulator) -> None:
    project.people(40)
    project.model("events/visits", VISITS, KEY)
    simulator.fault("delay", seconds=60, after=2)
    dying = project.start("run", "events/visits", timeout="100", batch_size="5", concurrency="1")
    while len(simulator.messages()) < 10:
        assert dying.poll() is None
    dying.kill()
    dying.communicate()
    simulator.clear_faults()
    moved(project, "events/visits", "events/calls")
    assert project.cli("rename", "events/visits", "events/calls").code == 0
    # The answer to the second batch may have been on its way.
    assert project.cli("run", "events/calls", "--json").row["added"] in (30, 35)


def test_killed_anywhere_it_is_finished_by_the_same_command(anywhere: Folder, simulator: Simulator) -> None:
    project = anywhere
    project.model("users/a", BY_PLAN.replace(":partition", "lower(:partition)"), STATIC)
    project.cli("run", "users/a")
    messages, old, new = len(simulator.messages()), "users/a", "users/b"
    step, kills = 0, 0
    while True:
        moved(project, old, new)
        if killed_at(project, step, "rename", old, new) != 9:
            break
        kills += 1
        # Killed at the first write nothing has begun.
        between = project.cli("run", new, "--json").rows if step else []
        assert all(row["accepted"] == 0 for row in between)
        if kills % 2:
            # Killed again in the middle of the rest.
            killed_at(project, 4, "rename", old, new)
        ended = project.cli("rename", old, new)
        assert ended.code == 0 or "has no state" in ended.err or "has a state already" in ended.err, ended.err
        rows = project.cli("run", new, "--json").rows
        assert [(row["status"], row["added"], row["unchanged"]) for row in rows] == [("succeeded", 0, 3)] * 2
        assert len(project.cli("history", new, "--json").rows) == 6
        old, new = new, old
        # Each step takes a second, and in S3 two.
        step += 13 if project.overrides["state_url"].startswith("s3") else 5
    assert kills > 2
    assert len(simulator.messages()) == messages


def test_between_its_two_halves_no_run_sends_the_rest_again(project: Folder, simulator: Simulator) -> None:
    project.people(6)
    project.model("users/profile", BY_PLAN.replace(":partition", "lower(:partition)"), STATIC)
    project.cli("run", "users/profile")
    moved(project, "users/profile", "users/people")
    assert killed_at(project, 3, "rename", "users/profile", "users/people") == 9
    for command in ("run", "plan", "baseline"):
        ended = project.cli(command, "users/people")
        assert ended.code == 1
        assert "candu-sync rename users/profile users/people" in ended.err
    assert len(simulator.messages()) == 6


def test_a_forgotten_rename_stops_events_and_is_pointed_out_for_users(anywhere: Folder, simulator: Simulator) -> None:
    project = anywhere
    project.model("events/visits", VISITS, KEY)
    project.model("users/profile", "select * from people")
    project.model("users/removed", "select user_id, 7 as size from people")
    project.cli("run", "--all")
    sent = len(simulator.messages())
    events = len(simulator.events())
    moved(project, "events/visits", "events/calls")
    moved(project, "users/profile", "users/people")
    (project.sql / "users/removed.sql").unlink()
    command = "candu-sync rename events/visits events/calls"
    planned = project.cli("plan", "events/calls")
    assert planned.code == 0
    assert planned.err.count(command) == 1
    assert project.cli("plan", "events/calls", "--exit-code", "--save").code == 3
    for words in (["run"], ["push"]):
        stopped = project.cli(*words, "events/calls")
        assert (stopped.code, stopped.err.count(command)) == (3, 1)
    assert len(simulator.messages()) == sent
    users = project.cli("run", "users/people")
    assert users.code == 0
    assert users.err.count("candu-sync rename users/profile users/people") == 1
    assert "users/people" not in project.cli("run", "users/people").err
    assert project.cli("rename", "events/visits", "events/calls").code == 0
    again = project.cli("run", "events/calls")
    assert (again.code, again.err) == (0, "")
    assert len(simulator.events()) == events


def test_another_model_is_no_rename_and_force_goes_past_it(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("events/visits", VISITS, KEY)
    project.cli("run", "events/visits")
    (project.sql / "events/visits.sql").rename(project.sql / "events/calls.sql")
    (project.sql / "events/visits.yaml").unlink()
    project.model("events/new", VISITS.replace("Ran", "Swam"), KEY)
    other = project.cli("run", "events/new")
    assert (other.code, other.err) == (0, "")
    assert project.cli("run", "events/calls").code == 3
    forced = project.cli("run", "events/calls", "--force")
    assert forced.code == 0
    assert "candu-sync rename events/visits events/calls" in forced.err
    assert project.cli("run", "events/calls").code == 0
    assert len(simulator.messages()) == 9


def test_where_the_model_is_not_known_the_only_one_of_the_kind_is_meant(project: Folder) -> None:
    project.people(3)
    for name in ("users/a", "users/b", "groups/c"):
        project.model(name, "select *, user_id as group_id from people")
    project.cli("baseline", "--all")
    for name in ("users/a", "groups/c"):
        (project.sql / f"{name}.sql").unlink()
    project.model("users/n", "select user_id, 1 as size from people")
    assert "candu-sync rename users/a users/n" in project.cli("plan", "users/n").err
    (project.sql / "users/b.sql").unlink()
    assert project.cli("plan", "users/n").err == ""
    # A file that is wrong is a sync, too.
    project.model("users/b", "select * from people", "nonsense: 1")
    assert "candu-sync rename users/a users/n" in project.cli("plan", "users/n").err


def test_status_lists_the_state_of_syncs_that_are_gone(anywhere: Folder) -> None:
    project = anywhere
    long = "users/" + "x" * 160
    for name in ("users/profile", "users/removed", long):
        project.model(name, f"select user_id, '{name[:9]}' as plan from people")
        assert project.cli("run", name).code == 0
    assert project.cli("status").err == ""
    moved(project, "users/profile", "users/people")
    for name in ("users/removed", long):
        (project.sql / f"{name}.sql").unlink()
    ended = project.cli("status", "--json")
    assert [(row["sync"], row["rows"], row["orphaned"]) for row in ended.rows] == [
        ("users/people", None, False), ("users/profile", 6, True), ("users/removed", 6, True), (long, 6, True)]
    assert "candu-sync rename users/profile users/people`" in ended.err
    assert ("candu-sync rename users/removed NEW`. If it was removed, `candu-sync reset users/removed` drops the state"
            in ended.err)
    assert project.cli("reset", "--all", "--yes").code == 0
    project.cli("rename", "users/profile", "users/people")
    assert [row["sync"] for row in project.cli("status", "--json").rows] == ["users/people", "users/removed", long]
