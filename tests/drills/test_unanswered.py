"""Answers that never came: what Candu may hold is not taken for what it holds. One story for each way to go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.commit.uncertain_events import list_uncertain
from candu_sync.errors import StaleChanges
from candu_sync.operate import maintenance
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from tests.drills.interruptions import Killed, Points, install
from tests.drills.world import World, make_world


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Points:
    return install(monkeypatch)


@pytest.fixture
def world(tmp_path: Path, simulator: Simulator, points: Points) -> World:
    return make_world(tmp_path, simulator)


def all_answers_are_lost(world: World, name: str) -> None:
    world.write()
    world.simulator.fault("lost")
    assert world.lab.run(world.syncs[name]).status == "failed"
    world.simulator.clear_faults()


def a_good_run(world: World, name: str) -> None:
    world.write()
    assert world.lab.run(world.syncs[name]).error is None
    world.check()
    world.check_quiet(name)
    assert world.lab.run(world.syncs[name]).requests == 0


def test_a_value_that_went_back_after_its_answer_was_lost(world: World) -> None:
    """1 is accepted, 2 goes unanswered, the row has 1 again: as before, and yet it must be sent."""
    world.person("u1", 1, "x")
    a_good_run(world, "users/people")
    row = world.people["u1"]
    world.person("u1", 2, "x")
    all_answers_are_lost(world, "users/people")
    assert world.simulator.users()["u1"]["number"] == 2
    world.people["u1"] = row
    world.remember("users", "u1", number=1, tick=row[0]["tick"])
    a_good_run(world, "users/people")
    assert world.simulator.users()["u1"]["number"] == 1


def test_a_row_that_left_after_its_first_answer_was_lost(world: World) -> None:
    """Candu may know a user that is not in the snapshot: that the user left is sent."""
    world.person("u1", 1, "x")
    all_answers_are_lost(world, "users/people")
    world.no_person("u1")
    a_good_run(world, "users/people")
    assert world.simulator.users()["u1"]["here"] is False


def test_a_value_that_turned_null_after_its_first_answer_was_lost(world: World) -> None:
    """A first-time null is left out, but Candu may already know a value of this trait."""
    world.person("u1", 1, "x")
    all_answers_are_lost(world, "users/people")
    world.person("u1", 1, None)
    a_good_run(world, "users/people")
    assert world.simulator.users()["u1"]["word"] is None


def test_nulls_that_are_omitted(tmp_path: Path, simulator: Simulator, points: Points) -> None:
    """y never arrived. The row then lost its word, which is not sent; when it has y again, that is sent."""
    world = make_world(tmp_path, simulator, nulls="omit")
    world.person("u1", 1, "x")
    a_good_run(world, "users/people")
    world.person("u1", 1, "y")
    world.write()
    world.simulator.fault("close")
    assert world.lab.run(world.syncs["users/people"]).status == "failed"
    world.simulator.clear_faults()
    world.person("u1", 1, None)
    a_good_run(world, "users/people")
    world.person("u1", 1, "y")
    a_good_run(world, "users/people")
    assert world.simulator.users()["u1"]["word"] == "y"


def test_a_group_that_went_back(world: World) -> None:
    world.team("g1", {"u1", "u2"}, 1)
    a_good_run(world, "groups/teams")
    world.team("g1", {"u1", "u2", "u3"}, 2)
    all_answers_are_lost(world, "groups/teams")
    world.team("g1", {"u1", "u2"}, 1)
    a_good_run(world, "groups/teams")
    assert world.simulator.groups()["g1"]["size"] == 1


def test_a_member_that_left_while_its_group_was_in_doubt(world: World) -> None:
    """Nothing was answered, and so nothing is known: 2 does not count as what Candu holds."""
    world.team("g1", {"u1", "u2"}, 1)
    a_good_run(world, "groups/teams")
    world.team("g1", {"u1", "u2"}, 2)
    world.write()
    world.simulator.fault("close")
    assert world.lab.run(world.syncs["groups/teams"]).status == "failed"
    world.simulator.clear_faults()
    world.team("g1", {"u1"}, 3)
    a_good_run(world, "groups/teams")
    world.team("g1", {"u1", "u2"}, 3)
    a_good_run(world, "groups/teams")


def test_a_lost_answer_and_then_a_refusal(world: World) -> None:
    """Accepted unheard, then refused aloud: set aside, and known to be perhaps there."""
    world.person("u1", 1, "x")
    world.write()
    world.simulator.fault("lost", times=1)
    world.simulator.fault("refuse", user_ids=["u1"])
    assert world.lab.run(world.syncs["users/people"]).refused == 1
    world.simulator.clear_faults()
    world.no_person("u1")
    a_good_run(world, "users/people")
    assert world.simulator.users()["u1"]["here"] is False


@pytest.mark.parametrize("name", ["events/once", "events/skipped"])
def test_events_are_named(world: World, name: str) -> None:
    """Accepted twice, or skipped: their ids are listed, also when the process dies right after."""
    world.happened = {f"e{n}": True for n in range(4)}
    all_answers_are_lost(world, name)
    found = list_uncertain(world.lab.state(world.syncs[name]))
    assert [(run.count, run.keys) for run in found] == [(4, ["e0", "e1", "e2", "e3"])]
    a_good_run(world, name)
    assert len(world.simulator.events()) == (4 * 3 if name == "events/skipped" else 4 * 4)


def test_events_are_not_skipped_while_candu_cannot_be_reached(world: World) -> None:
    """A connection that was refused carried nothing: no event is uncertain."""
    world.happened = {f"e{n}": True for n in range(4)}
    world.write()
    url, world.lab.overrides["api_url"] = world.lab.overrides["api_url"], "http://127.0.0.1:9/api"
    sync = world.syncs["events/skipped"]
    assert world.lab.run(sync).status == "failed"
    assert list_uncertain(world.lab.state(sync)) == []
    world.lab.overrides["api_url"] = url
    a_good_run(world, "events/skipped")
    assert len(world.simulator.events()) == 4


def test_a_change_set_that_is_pushed_again_reaches_over_no_refused_row(world: World) -> None:
    """Refused: u2, of six. The rest was unsent, and goes in requests that do not hold it."""
    for n in range(6):
        world.person(f"u{n}", 1, "x")
    world.write()
    world.simulator.fault("refuse", user_ids=["u2"])
    world.simulator.fault("status", status=503, after=6)
    world.lab.overrides |= {"batch_size": 6, "concurrency": 1}
    sync = world.syncs["users/people"]
    changes = world.lab.plan(sync)
    assert world.lab.push(sync, changes).refused == 1
    world.simulator.clear_faults()
    result = world.lab.push(sync, changes)
    assert (result.accepted, result.refused, result.waiting) == (5, 1, 0)
    world.check()
    assert [row["key"] for row in world.lab.rejected(sync)] == ["u2"]


def test_a_refusal_that_only_a_dead_run_knows_of_is_tried_again(world: World, points: Points) -> None:
    world.person("u1", 1, "x")
    world.write()
    world.simulator.fault("refuse", user_ids=["u1"])
    sync = world.syncs["users/people"]
    with points.acting(35, points.kill), pytest.raises(Killed):
        world.lab.run(sync)
    world.simulator.clear_faults()
    with world.lab.project() as project:
        assert maintenance.retry(Target(project, sync)) == 1
    a_good_run(world, "users/people")


def test_a_settled_change_set_is_not_pushed_again(world: World) -> None:
    world.person("u1", 1, "x")
    world.write()
    sync = world.syncs["users/people"]
    changes = world.lab.plan(sync)
    assert world.lab.push(sync, changes).error is None
    with pytest.raises(StaleChanges, match="make the plan again"):
        world.lab.push(sync, changes)


def test_a_plan_does_not_take_the_files_of_a_push(world: World, points: Points) -> None:
    """A second run has read the warehouse, and stages what it found just when the first one pushes, and dies."""
    world.happened = {f"e{n}": True for n in range(9)}
    world.write()
    sync = world.syncs["events/once"]
    first = world.lab.plan(sync)

    def first_pushes_and_dies() -> None:
        with points.acting(40, points.kill), pytest.raises(Killed):
            world.lab.push(sync, first)

    # The first durable write of a run that has read the warehouse is the staging of what it found.
    with points.acting(1, first_pushes_and_dies), pytest.raises(StaleChanges):
        world.lab.run(sync)
    assert world.simulator.events()
    world.check()
    a_good_run(world, "events/once")


def test_a_reset_outlives_an_owner_from_before(world: World, points: Points) -> None:
    """A run that was taken for dead goes on after a reset: it cannot bring back what was forgotten."""
    for n in range(9):
        world.person(f"u{n}", 1, "x")
    a_good_run(world, "users/people")
    for n in range(9):
        world.person(f"u{n}", 2, "x")
    world.write()
    sync = world.syncs["users/people"]

    def reset() -> None:
        points.incarnation += 1
        with world.lab.project() as project:
            maintenance.reset(Target(project, sync))

    with points.acting(28, reset), pytest.raises(StaleChanges, match="committed by another run"):
        world.lab.run(sync)
    state = world.lab.state(sync)
    assert (state.current().number, state.current().files) == (2, {})
    received = {message["message_id"] for message in world.simulator.messages()}
    assert world.lab.run(sync).accepted == 9
    again = {message["message_id"] for message in world.simulator.messages()[-9:]}
    assert not again & received, "Candu may take a message with a known id for a repeat"
    a_good_run(world, "users/people")
