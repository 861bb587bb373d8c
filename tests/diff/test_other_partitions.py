"""A user who moves from one segment to another ends with the new one, whichever partition is sent first."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab

MODEL = "select user_id, segment, 1 as seats from members where segment = :partition"
YAML = "partitions: {static: [trial, won, lost]}\nremoved: {segment: none}\nguard: {min_rows: null}"


@pytest.fixture
def lab(tmp_path: Path, simulator: Simulator) -> Lab:
    return Lab(tmp_path, simulator)


def members(lab: Lab, **segments: str) -> None:
    """Make the table again: user → segment; ``a__b`` means two."""
    rows = [(user, segment) for user, several in segments.items() for segment in several.split("__")]
    lab.table("members", user_id=[user for user, _ in rows], segment=[segment for _, segment in rows])


def run_all(lab: Lab, sync: Sync, *partitions: str) -> int:
    """Messages of a run of each partition, in that order."""
    return sum(lab.run(sync, partition).accepted for partition in partitions)


@pytest.mark.parametrize("order", list(permutations(["trial", "won"])), ids="-".join)
def test_who_moves_ends_in_the_new_segment(lab: Lab, simulator: Simulator, order: tuple[str, ...]) -> None:
    sync = lab.sync("users/segments", MODEL, YAML)
    members(lab, ada="trial", bo="won")
    run_all(lab, sync, *order)
    members(lab, ada="won", bo="trial", cy="won")
    run_all(lab, sync, *order)
    assert {user: traits["segment"] for user, traits in simulator.users().items()} == {
        "ada": "won", "bo": "trial", "cy": "won"}
    assert run_all(lab, sync, *order) == 0


def test_who_moves_within_a_window_ends_in_the_new_segment(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("users/segments", MODEL, YAML.replace("{static:", "{daily: 2026-11-01, static:"))
    members(lab, ada="trial", bo="won")
    run_all(lab, sync, "2026-11-01|trial", "2026-11-01|won")
    members(lab, ada="won", bo="won")
    run_all(lab, sync, "2026-11-01|won", "2026-11-01|trial")
    assert simulator.users()["ada"]["segment"] == "won"


def test_a_user_who_leaves_all_segments_is_sent_that(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("users/segments", MODEL, YAML)
    members(lab, ada="trial", bo="won")
    run_all(lab, sync, "trial", "won")
    members(lab, bo="won")
    assert run_all(lab, sync, "won", "trial") == 1
    assert simulator.users()["ada"]["segment"] == "none"


def test_a_user_who_leaves_the_last_of_two_segments_is_sent_that_once(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("users/segments", MODEL, YAML)
    members(lab, ada="trial__won")
    run_all(lab, sync, "trial", "won")
    members(lab, ada="won")
    assert run_all(lab, sync, "trial", "won") == 0
    assert simulator.users()["ada"]["segment"] == "won"
    members(lab, bo="lost")
    assert run_all(lab, sync, "trial", "won") == 1
    assert simulator.users()["ada"]["segment"] == "none"


def test_a_trait_that_the_other_partition_does_not_set_is_unset(lab: Lab, simulator: Simulator) -> None:
    model = ("select user_id, case when segment = 'trial' then 5 end as days_left, segment "
             "from members where segment = :partition")
    sync = lab.sync("users/segments", model, YAML.replace("segment: none", "segment: none, days_left: 0"))
    members(lab, ada="trial", bo="won")
    run_all(lab, sync, "trial", "won")
    members(lab, ada="won", bo="won")
    run_all(lab, sync, "won", "trial")
    assert simulator.users()["ada"] == {"segment": "won", "days_left": 0}


def test_messages_next_to_one_that_is_left_out_are_sent_and_counted(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("users/segments", MODEL, YAML)
    members(lab, ada="trial", bo="trial", cy="trial")
    run_all(lab, sync, "trial")
    members(lab, bo="won", dee="trial")
    run_all(lab, sync, "won")
    result = lab.run(sync, "trial")
    assert (result.removed, result.messages, result.accepted, result.waiting) == (3, 3, 3, 0)
    assert {user: traits["segment"] for user, traits in simulator.users().items()} == {
        "ada": "none", "bo": "won", "cy": "none", "dee": "trial"}


def test_a_partition_that_is_no_longer_listed_holds_nobody(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("users/segments", MODEL, YAML)
    members(lab, ada="lost__won")
    run_all(lab, sync, "lost", "won")
    sync = lab.sync("users/segments", MODEL, YAML.replace(", lost", ""))
    members(lab, bo="trial")
    run_all(lab, sync, "won")
    assert simulator.users()["ada"]["segment"] == "none"


def test_groups_that_move(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("groups/tiers", "select 'g-' || user_id as group_id, user_id, segment from members "
                    "where segment = :partition", YAML)
    members(lab, ada="trial", bo="trial")
    run_all(lab, sync, "trial", "won")
    members(lab, ada="won", bo="lost")
    run_all(lab, sync, "won", "trial")
    assert {group: found["segment"] for group, found in simulator.groups().items()} == {
        "g-ada": "won", "g-bo": "none"}
