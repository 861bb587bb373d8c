"""Ctrl-C and SIGTERM: the installed command, in a process of its own, against a Candu that takes its time."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from candu_sync.simulator import Simulator
from candu_sync.state import State
from candu_sync.state.claims import read_claim
from candu_sync.state.receipts import read_receipts
from tests.support.folder import Folder
from tests.support.waiting import held_back, until

# Requests of 2, each answered after so many seconds, two at a time: 400 people take far longer than it takes to stop.
SLOW = {"batch_size": "2", "concurrency": "2"}
DELAY = 0.4


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until it is so; a command that ended before is a failure."""
    def ended_or_so() -> bool:
        assert process.poll() is None, process.communicate()
        return bool(what())

    until(ended_or_so)


def messages_a_user(simulator: Simulator) -> Counter[str]:
    return Counter(message["user_id"] for message in simulator.messages())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ends_a_push_in_order(project: Folder, simulator: Simulator, number: signal.Signals) -> None:
    project.people(400)
    project.model("users/profile", "select * from people")
    project.model("users/tier", "select user_id, plan as tier from people")
    simulator.fault("delay", seconds=DELAY)
    process = project.start("run", "--all", "--json", **SLOW)
    wait_for(simulator.users, process)
    process.send_signal(number)
    ended = project.ended(process)

    accepted = len(simulator.users())
    first, second = ended.rows
    assert (ended.code, first["status"]) == (1, "failed")
    assert 0 < first["accepted"] == accepted < 400
    assert first["unsent"] == 400 - accepted
    assert (second["sync"], second["status"]) == ("users/tier", "failed")
    assert second["error"].startswith("not run: ")
    assert "stopping: no new requests" in ended.err
    assert "the next run goes on from there" in ended.err

    simulator.clear_faults()
    rest = project.cli("run", "users/profile", "--json")
    assert (rest.code, rest.row["unchanged"], rest.row["accepted"]) == (0, accepted, 400 - accepted)
    assert set(messages_a_user(simulator).values()) == {1}


def test_the_second_ends_it_at_once_and_no_answer_is_lost(project: Folder, simulator: Simulator) -> None:
    project.people(40)
    project.model("users/profile", "select * from people")
    state = State(str(project.overrides["state_url"])).of("users/profile", None)

    def receipts() -> int:
        claim = read_claim(state, 1)
        return read_receipts(state, claim.run_id).settled[0] if claim else 0

    with held_back(simulator, after=4):
        process = project.start("run", "users/profile", **SLOW, timeout="100")
        wait_for(lambda: receipts() == 8, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "stopping: no new requests" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        # It does not wait for an answer: there is none.
        assert project.ended(process).code == 1

    dead = project.cli("status", "--json").row["claimed_by"]
    assert "dead, the next run takes over" in dead
    rest = project.cli("run", "users/profile", "--json")
    assert (rest.code, rest.row["rows"], rest.row["accepted"]) == (0, 40, 32)
    assert len(simulator.users()) == 40
    assert project.cli("status", "--json").row["claimed_by"] is None


def test_a_query_that_takes_long_is_not_waited_for(project: Folder, simulator: Simulator) -> None:
    project.people(40)
    slow = "(select count(*) from range(100000000) a(x), range(100000000) b(y) where x * y % 7 = 1)"
    project.model("users/slow", f"select user_id, {slow} as n from people")
    process = project.start("run", "users/slow")
    wait_for(lambda: processor_seconds(process) > 2, process)
    process.send_signal(signal.SIGTERM)
    ended = project.ended(process)
    assert ended.code == 1
    assert "nothing was being sent" in ended.err
    assert not simulator.requests()


@pytest.mark.parametrize(("typed", "number"), [
    ("1", signal.SIGINT), ("null::bytea", signal.SIGTERM), ("null::inet", signal.SIGINT)])
def test_a_query_that_takes_long_is_ended_at_the_server(
    project: Folder, simulator: Simulator, postgres_url: str, typed: str, number: signal.Signals
) -> None:
    """By each of PostgreSQL's paths: COPY, ADBC and rows."""
    project.model("users/slow", f"select count(*) as user_id, {typed} as x from generate_series(1, 1e12) i")
    process = project.start("run", "users/slow", warehouse_url=f"{postgres_url}&application_name=signalled")
    ours = "select pid from pg_stat_activity where application_name = 'signalled' and state = 'active'"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        wait_for(lambda: admin.execute(ours).fetchall(), process)
        process.send_signal(number)
        ended = project.ended(process)
        assert ended.code == 1
        assert "nothing was being sent" in ended.err
        until(lambda: not admin.execute(ours).fetchall())
    assert not simulator.requests()


def processor_seconds(process: subprocess.Popen[str]) -> float:
    """What a process has used of the processors; starting alone takes less than a second of them."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
