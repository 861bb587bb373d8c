"""One writer at a time: a live one is refused by name, a dead one is taken over, with what Candu had answered it."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from candu_sync import pipeline
from candu_sync.errors import Claimed, StateError, StateUnreachable
from candu_sync.simulator import Simulator
from candu_sync.state import claims, clocks, processes
from candu_sync.state.claims import Claim, read_claim
from candu_sync.state.owner import LEASE, this_process
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.root import State
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.elsewhere import run_elsewhere, run_killed
from tests.support.lab import Lab
from tests.support.waiting import held_back, until


@pytest.fixture
def state(tmp_path: Path) -> PartitionState:
    return State(str(tmp_path / "state")).of("users/model", None)


class TestClaims:
    def test_a_live_owner_is_refused_by_name(self, state: PartitionState) -> None:
        with Claim(state, 1, "run-1"), pytest.raises(Claimed) as caught:
            Claim(state, 1, "run-2")
        for word in ("run-1", socket.gethostname(), str(os.getpid()), "users/model"):
            assert word in str(caught.value)

    def test_a_claim_that_is_released_is_free(self, state: PartitionState) -> None:
        with Claim(state, 1, "run-1") as claim:
            claim.release()
        assert read_claim(state, 1) is None
        with Claim(state, 1, "run-2"):
            owner = read_claim(state, 1)
        assert owner is not None
        assert owner.run_id == "run-2"

    def test_other_partitions_are_free(self, state: PartitionState, tmp_path: Path) -> None:
        other = State(str(tmp_path / "state")).of("users/model", "eu")
        with Claim(state, 1, "run-1"), Claim(other, 1, "run-2") as second:
            assert second.held()

    def test_it_is_alive_while_its_process_is(self, state: PartitionState) -> None:
        now = dt.datetime.now(dt.UTC)
        with Claim(state, 1, "run-1"):
            owner = read_claim(state, 1)
            assert owner is not None
            assert owner.alive(now)
            assert not owner.alive(now + dt.timedelta(seconds=LEASE + 5))

    def test_one_that_could_not_be_given_back_is_dead_though_its_process_lives(self, state: PartitionState) -> None:
        """As where the store was away at the end of a run, in a worker that goes on with other runs."""
        now = dt.datetime.now(dt.UTC)
        with pytest.raises(StateError), Claim(state, 1, "run-left"):
            raise StateError("the store is away")
        left = read_claim(state, 1)
        assert left is not None
        assert not left.alive(now)
        with Claim(state, 2, "run-left") as claim:
            assert left.alive(now)
            claim.release()

    def test_one_that_was_perhaps_written_is_dead(
            self, state: PartitionState, monkeypatch: pytest.MonkeyPatch) -> None:
        put = state.store.put

        def lost(name: str, data: bytes, *, create: bool = False, sync: bool = True) -> bool:
            put(name, data, create=create)
            raise StateUnreachable("the answer was lost")

        monkeypatch.setattr(state.store, "put", lost)
        with pytest.raises(StateUnreachable):
            Claim(state, 1, "run-lost")
        left = read_claim(state, 1)
        assert left is not None
        assert not left.alive(dt.datetime.now(dt.UTC))

    def test_a_living_process_that_is_silent_may_have_left_its_claim(self, state: PartitionState) -> None:
        beat = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60)
        owner = replace(this_process("run-1"), heartbeat=beat.isoformat())
        state.store.put(state.name("claims", "00000001.json"), json.dumps(asdict(owner)).encode())
        with pytest.raises(Claimed, match=r"gave no sign of life for \d+ s") as caught:
            Claim(state, 1, "run-2")
        assert caught.value.perhaps_dead

    def test_a_later_process_of_the_same_number_is_not_it(self, state: PartitionState) -> None:
        before = replace(this_process("run-1"), process_started="1")
        assert not before.alive(dt.datetime.now(dt.UTC))

    @pytest.mark.skipif(not processes.PROC.exists(), reason="without /proc a zombie looks like a living process")
    def test_a_process_that_ended_is_dead_and_so_is_a_zombie(self) -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        owner = replace(this_process("run-1"), pid=process.pid, process_started=processes.started(process.pid))
        assert owner.alive(dt.datetime.now(dt.UTC))
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not owner.alive(dt.datetime.now(dt.UTC))
        process.wait()
        assert not owner.alive(dt.datetime.now(dt.UTC))

    def test_another_hosts_owner_is_alive_for_as_long_as_its_lease(self) -> None:
        now = dt.datetime.now(dt.UTC)
        owner = replace(this_process("run-1"), boot_id="another", heartbeat=now.isoformat())
        assert owner.alive(now + dt.timedelta(seconds=LEASE - 1))
        assert not owner.alive(now + dt.timedelta(seconds=LEASE + 1))

    def test_a_claim_from_before_boot_ids_goes_by_its_lease(self, state: PartitionState) -> None:
        now = dt.datetime.now(dt.UTC)
        old = {"run_id": "run-1", "host": socket.gethostname(), "pid": 2**22, "process_started": "1",
               "started": now.isoformat(), "heartbeat": now.isoformat()}
        state.store.put(state.name("claims", "00000001.json"), json.dumps(old).encode())
        owner = read_claim(state, 1)
        assert owner is not None
        assert owner.alive(now)
        assert not owner.alive(now + dt.timedelta(seconds=LEASE + 1))

    def test_a_claim_of_a_later_version_is_read(self, state: PartitionState) -> None:
        body = asdict(this_process("run-later")) | {"shoe_size": 43}
        state.store.put(state.name("claims", "00000001.json"), json.dumps(body).encode())
        owner = read_claim(state, 1)
        assert owner is not None
        assert owner.run_id == "run-later"
        assert owner.alive(dt.datetime.now(dt.UTC))

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"heartbeat": null}', b'{"run_id": "run-1"}'])
    def test_a_claim_that_cannot_be_read_is_dead(self, state: PartitionState, body: bytes) -> None:
        state.store.put(state.name("claims", "00000001.json"), body)
        owner = read_claim(state, 1)
        assert owner is not None
        assert not owner.alive(dt.datetime.now(dt.UTC))

    def test_a_process_table_that_is_not_known_is_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        owner = replace(this_process("run-1"), pid=2**22)
        assert not owner.alive(dt.datetime.now(dt.UTC))
        monkeypatch.setattr(processes, "pid_namespace", lambda: "")
        assert replace(owner, pid_namespace="").alive(dt.datetime.now(dt.UTC))

    def test_another_process_of_this_ones_number_is_dead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there is no /proc, the number alone would say that it runs."""
        monkeypatch.setattr(processes, "started", lambda pid: "running")
        assert not replace(this_process("run-1"), process_id="another").alive(dt.datetime.now(dt.UTC))

    def test_the_refusal_names_the_partition(self, tmp_path: Path) -> None:
        state = State(str(tmp_path / "state")).of("users/shards", "eu-3")
        with Claim(state, 1, "run-1"), pytest.raises(Claimed, match=r"has claimed users/shards \[eu-3\] since"):
            Claim(state, 1, "run-2")

    @pytest.mark.parametrize("end", ["removed", "taken over"])
    def test_a_claim_that_is_gone_is_not_held(
            self, state: PartitionState, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
        monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
        with Claim(state, 1, "run-1") as claim:
            assert claim.held()
            state.store.delete(state.name("claims", "00000001.json"))
            if end == "taken over":
                other = replace(this_process("run-2"), process_id="another")
                state.store.put(state.name("claims", "00000001.json"), json.dumps(asdict(other)).encode())
            until(lambda: not claim.held())
        found = read_claim(state, 1)
        assert (found.run_id if found else None) == ("run-2" if end == "taken over" else None)

    def test_the_heart_beats(self, state: PartitionState, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
        with Claim(state, 1, "run-1") as claim:
            first = read_claim(state, 1)
            assert first is not None
            later = until(lambda: owner if (owner := read_claim(state, 1)) and owner.heartbeat > first.heartbeat
                          else None)
            assert claim.held()
        assert later is not None
        assert asdict(later) | {"heartbeat": ""} == asdict(first) | {"heartbeat": ""}


def claimed_elsewhere(state: PartitionState, *, clock: float, silent: float) -> Path:
    """A claim of a run on another machine.

    Args:
        clock: the seconds by which that machine's clock is ahead.
        silent: the seconds since its last heartbeat.
    """
    beat = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=silent)
    heartbeat = (beat + dt.timedelta(seconds=clock)).isoformat()
    owner = replace(this_process("run-1"), host="elsewhere", boot_id="another", heartbeat=heartbeat)
    state.store.put(state.name("claims", "00000001.json"), json.dumps(asdict(owner)).encode())
    path = state.store.local(state.name("claims", "00000001.json"))
    assert path is not None
    os.utime(path, (beat.timestamp(), beat.timestamp()))
    return path


class TestClocks:
    @pytest.fixture(autouse=True)
    def unnamed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clocks, "_named", set())

    @pytest.mark.parametrize("minutes", [-30, -7, 0, 7, 30])
    def test_a_lease_goes_by_the_clock_of_the_store(
            self, state: PartitionState, caplog: pytest.LogCaptureFixture, minutes: int) -> None:
        for silent, alive in ((5, True), (LEASE - 10, True), (LEASE + 10, False)):
            claimed_elsewhere(state, clock=60 * minutes, silent=silent)
            owner = read_claim(state, 1)
            assert owner is not None
            assert owner.alive(dt.datetime.now(dt.UTC)) == alive
        # One that is behind looks like a claim from a backup. Its own run says so.
        assert [record.message.partition(":")[0] for record in caplog.records] == (
            [f"the clock of host elsewhere is {minutes} minutes ahead of the clock of the state's store"]
            if minutes > 0 else [])

    @pytest.mark.parametrize("minutes", [-30, -3, 3, 30])
    def test_this_machines_own_clock_may_be_wrong(
            self, state: PartitionState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
            minutes: int) -> None:
        """The store's clock and the owner's are right, and so both differ from this one's."""
        behind = dt.timedelta(minutes=minutes)
        monkeypatch.setattr(state.store, "now", lambda: dt.datetime.now(dt.UTC) + behind)
        for silent, alive in ((5, True), (LEASE - 10, True), (LEASE + 10, False)):
            claimed_elsewhere(state, clock=0, silent=silent - behind.total_seconds())
            owner = read_claim(state, 1)
            assert owner is not None
            assert owner.alive(dt.datetime.now(dt.UTC)) == alive
        [record] = caplog.records
        words = f"{abs(minutes)} minutes {'behind' if minutes > 0 else 'ahead of'} the clock of the state's store"
        assert f"the clock of host {socket.gethostname()} is {words}" in record.message

    @pytest.mark.parametrize("minutes", [-7, 7])
    def test_a_run_whose_clock_is_wrong_says_so(
            self, state: PartitionState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
            minutes: int) -> None:
        wrong = dt.timedelta(minutes=minutes)
        monkeypatch.setattr(claims, "_now", lambda: dt.datetime.now(dt.UTC) + wrong)
        monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
        with Claim(state, 1, "run-1") as claim:
            until(lambda: caplog.records)
            assert claim.held()
        side = "ahead of" if minutes > 0 else "behind"
        assert f"is 7 minutes {side} the clock of the state's store" in caplog.records[0].message
        assert len(caplog.records) == 1

    def test_a_store_that_may_only_be_read_leaves_the_two_clocks(
            self, state: PartitionState, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused() -> dt.datetime:
            raise StateError("read-only")

        claimed_elsewhere(state, clock=0, silent=LEASE + 10)
        monkeypatch.setattr(state.store, "now", refused)
        owner = read_claim(state, 1)
        assert owner is not None
        assert not owner.alive(dt.datetime.now(dt.UTC))

    def test_the_refusal_says_when_the_claim_is_free(self, state: PartitionState) -> None:
        claimed_elsewhere(state, clock=0, silent=95)
        with pytest.raises(Claimed, match=r"gave no sign of life for \d+ s: .*is free in (1|2)\d s") as caught:
            Claim(state, 1, "run-2")
        assert caught.value.perhaps_dead
        assert caught.value.free_in == pytest.approx(LEASE - 95 + 2, abs=15)

    def test_a_fresh_claim_is_refused_without_a_time(self, state: PartitionState) -> None:
        claimed_elsewhere(state, clock=0, silent=3)
        with pytest.raises(Claimed, match="wait for it, or stop it") as caught:
            Claim(state, 1, "run-2")
        assert not caught.value.perhaps_dead


class TestRuns:
    @pytest.fixture
    def sync(self, lab: Lab) -> Sync:
        lab.overrides |= {"batch_size": 10, "concurrency": 2}
        lab.query("create table people as select 'u' || i as user_id, 'pro' as plan from range(300) t(i)")
        return lab.sync("users/model", "select * from people")

    def test_a_run_is_refused_while_another_is_at_work(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        with held_back(simulator, after=1):
            process = run_elsewhere(lab, sync)
            until(simulator.messages)
            with pytest.raises(Claimed, match=rf"process {process.pid}\) has claimed users/model"):
                lab.run(sync)
            assert lab.plan(sync, keep=False).summary.messages == 300
        process.wait(timeout=300)
        assert len(simulator.messages()) == 300
        assert lab.run(sync).requests == 0

    def test_what_candu_answered_a_killed_run_is_folded_in_and_the_rest_is_sent(
            self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        run_killed(lab, sync, simulator, 6)
        arrived = len(simulator.messages())
        result = lab.run(sync)
        assert (result.status, result.exit_code) == ("succeeded", 0)
        # At most the messages in flight are sent twice: two workers with ten messages each.
        assert 300 - arrived <= result.accepted <= 300 - arrived + 20
        assert len(simulator.users()) == 300
        assert lab.run(sync).requests == 0

    def test_the_same_change_set_can_be_pushed_again_after_a_kill(
            self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        """As Dagster does, which retries the step that pushes and not the one that plans."""
        run_killed(lab, sync, simulator, 6)
        with lab.project() as project:
            _, result = pipeline.push_staged(Target(project, sync))
        assert (result.status, result.accepted, result.waiting) == ("succeeded", 300, 0)
        assert len(simulator.users()) == 300
        assert len(simulator.messages()) <= 320
        assert lab.run(sync).requests == 0

    def test_a_run_that_died_before_it_sent_anything(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        lab.plan(sync)
        state = lab.state(sync)
        dead = replace(this_process("20260101T000000-dead"), pid=2**22, process_started="1")
        state.store.put(state.name("claims", "00000001.json"), json.dumps(asdict(dead)).encode())
        assert lab.run(sync).accepted == 300
        assert len(simulator.messages()) == 300

    def test_a_run_of_another_host_that_fell_silent(self, lab: Lab, sync: Sync) -> None:
        state = lab.state(sync)
        claimed_elsewhere(state, clock=0, silent=LEASE + 1)
        assert lab.run(sync).accepted == 300


def test_events_in_flight_at_a_kill_are_sent_twice_at_most(lab: Lab, simulator: Simulator) -> None:
    lab.overrides |= {"batch_size": 5, "concurrency": 2}
    lab.query("create table seen as select 'e' || i as event_id, 'u' || i as user_id, 'x' as event, "
              "timestamp '2026-01-01' as timestamp from range(200) t(i)")
    sync = lab.sync("events/model", "select * from seen")
    run_killed(lab, sync, simulator, 10)
    assert lab.run(sync).status == "succeeded"
    arrived = [event["user_id"] for event in simulator.events()]
    assert set(arrived) == {f"u{i}" for i in range(200)}
    assert len(arrived) <= 200 + 2 * 5
