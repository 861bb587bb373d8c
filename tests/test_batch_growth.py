"""Requests of users and groups grow, what was learnt is kept beside the state, and events keep their size."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from candu_sync import delivery, pipeline
from candu_sync.cli.plan_table import requests_of
from candu_sync.errors import StateError
from candu_sync.operate.maintenance import reset
from candu_sync.simulator import Simulator
from candu_sync.state.root import State
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab

# Ten times smaller than the defaults: requests begin with 10 messages and grow up to 100.
COUNT = 800

PEOPLE = "select user_id, n from people"

ANY = "guard: {max_changed: null}"

# Ends the process like a power cut, when the first large request was accepted and before that is written down; or when
# a request was accepted after one was too large.
DYING = """
import os
import candu_sync.delivery
from candu_sync.state.receipt_log import ReceiptLog
candu_sync.delivery.LARGEST = 100
write = ReceiptLog.write
def dies(log, line):
    low, high = line.get("accepted", (0, 0))
    if high - low >= 50 or (os.environ.get("WHEN") == "smaller" and os.path.exists("state/batch-size.json")):
        os._exit(9)
    write(log, line)
ReceiptLog.write = dies
import sys
from candu_sync.cli import main
sys.argv = ["candu-sync", "run", "users/profile"]
main()
"""


@pytest.fixture
def growing(lab: Lab, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A project whose requests grow."""
    simulator.assume(most_messages=1_000)
    monkeypatch.setattr(delivery, "LARGEST", 100)
    lab.overrides |= {"batch_size": 10, "batch_growth": True, "concurrency": 1}
    change(lab, 0)
    return lab


def change(lab: Lab, by: int, count: int = COUNT) -> None:
    lab.query(f"create or replace table people as select 'u' || i as user_id, i + {by} as n from range({count}) t(i)")


def sizes(simulator: Simulator) -> list[int]:
    return [request["messages"] for request in simulator.requests() if request["method"] == "POST"]


def test_requests_grow_and_the_next_run_begins_with_what_was_learnt(growing: Lab, simulator: Simulator) -> None:
    sync, kept = growing.sync("users/profile", PEOPLE, ANY), growing.folder / "state" / "batch-size.json"
    assert growing.run(sync).accepted == COUNT
    first = sizes(simulator)
    assert (first[0], max(first), sum(first)) == (10, 100, COUNT)
    written = kept.stat().st_mtime_ns
    change(growing, 1)
    assert growing.run(sync).requests == 8
    assert sizes(simulator)[len(first):] == [100] * 8
    # Nothing new was learnt, so nothing is written.
    assert kept.stat().st_mtime_ns == written
    # The setting was changed: what was learnt from another size does not count.
    growing.overrides["batch_size"] = 5
    change(growing, 2)
    growing.run(sync)
    assert sizes(simulator)[len(first) + 8] == 5


def test_it_can_be_switched_off(growing: Lab, simulator: Simulator) -> None:
    growing.overrides["batch_growth"] = False
    assert growing.run(growing.sync("users/profile", PEOPLE, ANY)).requests == COUNT // 10
    assert set(sizes(simulator)) == {10}
    assert not (growing.folder / "state" / "batch-size.json").exists()


def test_groups_grow_and_events_keep_their_size(growing: Lab, simulator: Simulator) -> None:
    accounts = growing.sync("groups/accounts", "select user_id as group_id, user_id, n from people")
    assert growing.run(accounts).accepted == COUNT
    groups = sizes(simulator)
    assert max(groups) == 100
    visits = growing.sync("events/visits", "select user_id as event_id, user_id, 'visit' as event, "
                                           "timestamp '2026-01-01' as timestamp from people")
    assert growing.run(visits).accepted == COUNT
    assert set(sizes(simulator)[len(groups):]) == {10}


def test_a_limit_is_learnt_once_and_refuses_no_row(
        growing: Lab, simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    simulator.assume(most_messages=40)
    sync = growing.sync("users/profile", PEOPLE, ANY)
    result = growing.run(sync)
    assert (result.status, result.accepted, result.refused) == ("succeeded", COUNT, 0)
    count = sum(request["status"] == 413 for request in simulator.requests())
    assert result.too_large == count > 1
    # Growth found its limit: nothing is wrong with a setting.
    assert not [line for line in caplog.messages if "413" in line]
    change(growing, 1)
    growing.run(sync)
    before = len(simulator.requests())
    change(growing, 2)
    result = growing.run(sync)
    assert result.accepted == COUNT
    assert all(request["status"] == 200 for request in simulator.requests()[before:])


@pytest.mark.parametrize("status", [413, 400])
@pytest.mark.parametrize("limit", [8, 3])
def test_a_batch_size_that_is_too_large_is_learnt_and_said(
        growing: Lab, simulator: Simulator, caplog: pytest.LogCaptureFixture, limit: int, status: int) -> None:
    simulator.assume(most_messages=limit, too_many=status)
    sync = growing.sync("users/profile", PEOPLE, ANY)
    result = growing.run(sync)
    refused = sum(request["status"] == status for request in simulator.requests())
    assert (result.accepted, result.too_large) == (COUNT, refused if status == 413 else 0)
    assert refused < COUNT // 40
    assert ("users/profile: Candu refused requests of 10 messages or fewer, and accepted the same messages in smaller "
            "ones. A smaller CANDU_BATCH_SIZE spares the refusals") in caplog.messages
    caplog.clear()
    before = len(simulator.requests())
    change(growing, 1)
    assert growing.run(sync).accepted == COUNT
    assert all(request["status"] == 200 for request in simulator.requests()[before:])
    assert not caplog.messages


def test_the_estimate_of_a_plan_counts_the_growth(growing: Lab) -> None:
    sync = growing.sync("users/profile", PEOPLE, ANY)

    def estimate() -> int:
        with growing.project() as project:
            target = Target(project, sync)
            return requests_of(target, pipeline.plan(target, keep=False))[0]

    before = estimate()
    assert 8 < before < COUNT // 10
    result = growing.run(sync)
    assert abs(result.requests - before) <= 12
    change(growing, 1)
    assert estimate() == growing.run(sync).requests == 8


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"begin": 10}', b'{"begin": 10, "size": "many"}',
                                  b'{"begin": 10, "size": 5, "bound": null, "bound_at": "soon"}'])
def test_what_cannot_be_read_is_learnt_again(growing: Lab, simulator: Simulator, body: bytes) -> None:
    change(growing, 0, 30)
    sync = growing.sync("users/profile", PEOPLE, ANY)
    State(str(growing.folder / "state"))
    (growing.folder / "state" / "batch-size.json").write_bytes(body)
    assert growing.run(sync).accepted == 30
    assert sizes(simulator)[0] == 10


def test_another_workspace_learns_by_itself(growing: Lab) -> None:
    sync = growing.sync("users/profile", PEOPLE, ANY)
    growing.run(sync)
    with growing.project() as project:
        reset(Target(project, sync))
        assert project.state.release() == []
    assert not (growing.folder / "state" / "batch-size.json").exists()


def test_what_cannot_be_kept_is_said_and_the_run_goes_well(
        growing: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuses(*_: object) -> None:
        raise StateError("no space left")

    monkeypatch.setattr(State, "keep_batch_size", refuses)
    assert growing.run(growing.sync("users/profile", PEOPLE, ANY)).status == "succeeded"
    assert "what was learnt of the size of requests is not kept: no space left" in caplog.text


def test_a_kill_repeats_a_request_s_worth_of_users(growing: Lab, simulator: Simulator) -> None:
    sync = growing.sync("users/profile", PEOPLE, ANY)
    died = subprocess.run([sys.executable, "-c", DYING], env=environment(growing), cwd=growing.folder, timeout=120)
    assert died.returncode == 9
    assert simulator_size(simulator) < COUNT
    result = growing.run(sync)
    assert result.status == "succeeded"
    arrivals = Counter(message["user_id"] for message in simulator.messages())
    assert len(arrivals) == COUNT
    repeated = [user for user, times in arrivals.items() if times > 1]
    assert 50 <= len(repeated) <= 100
    assert max(arrivals.values()) == 2
    assert idle(growing, sync)


def test_a_limit_that_was_found_outlives_a_kill(growing: Lab, simulator: Simulator) -> None:
    simulator.assume(most_messages=40)
    sync = growing.sync("users/profile", PEOPLE, ANY)
    died = subprocess.run([sys.executable, "-c", DYING], env=environment(growing) | {"WHEN": "smaller"},
                          cwd=growing.folder, timeout=120)
    assert died.returncode == 9
    assert simulator_size(simulator) < COUNT
    before = simulator.requests()
    assert 413 in [request["status"] for request in before]
    assert growing.run(sync).status == "succeeded"
    assert sizes(simulator)[len(before)] == 40


def idle(lab: Lab, sync: Sync) -> bool:
    """Whether a run now has nothing to send."""
    return lab.run(sync).requests == 0


def simulator_size(simulator: Simulator) -> int:
    return len({message["user_id"] for message in simulator.messages()})


def environment(lab: Lab) -> dict[str, str]:
    ours = {f"CANDU_{name.upper()}": str(value) for name, value in lab.overrides.items()}
    there = {name: value for name, value in os.environ.items() if not name.startswith(("CANDU_", "SEGMENT_"))}
    return there | ours | {"PYTHONPATH": str(Path(__file__).parents[1])}
