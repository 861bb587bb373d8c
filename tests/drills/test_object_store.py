"""The state in S3, as moto's server has it: put-if-absent, whole runs, a kill and its recovery, two writers."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from candu_sync.commit import list_uncertain
from candu_sync.errors import DamagedState, StateError, StateUnreachable
from candu_sync.simulator import Simulator
from candu_sync.state.claims import read_claim
from candu_sync.state.object_store import ObjectStore
from candu_sync.state.receipt_log import ReceiptLog
from candu_sync.state.receipts import read_receipts
from candu_sync.state.root import State
from candu_sync.state.store import open_store
from tests.drills.processes import Launcher
from tests.drills.world import World, make_world
from tests.support.waiting import held_back, until

pytestmark = pytest.mark.slow


@pytest.fixture
def url(s3_url: str) -> str:
    return s3_url


@pytest.fixture
def world(tmp_path: Path, simulator: Simulator, url: str) -> World:
    world = make_world(tmp_path, simulator)
    world.lab.overrides |= {"state_url": url, "timeout": 60}
    for n in range(30):
        world.person(f"u{n}", 1, "x")
    world.team("g1", {"u1", "u2"}, 2)
    world.happened = {f"e{n}": True for n in range(30)}
    world.write()
    return world


def test_a_name_is_put_once(url: str) -> None:
    store = open_store(url)
    assert store.put("a/1", b"first", create=True)
    assert not store.put("a/1", b"second", create=True)
    assert store.get("a/1") == b"first"
    assert store.put("a/1", b"third")
    assert (store.get("a/1"), store.get("a/2"), store.list("a/"), store.list("b/")) == (b"third", None, ["a/1"], [])
    store.delete("a/1")
    store.delete("a/1")
    assert store.list("") == []


def test_of_many_at_once_one_puts(url: str) -> None:
    stores = [open_store(url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: stores[n].put("claim", f"{n}".encode(), create=True), range(8)))
    assert won.count(True) == 1
    assert stores[0].get("claim") == f"{won.index(True)}".encode()


def test_a_put_whose_answer_was_lost_finds_itself(url: str) -> None:
    """The client repeats such a put. The answer is that the name is taken, by its own first attempt."""
    store = open_store(url)
    store.put("version", b"mine", create=True)
    assert store.put("version", b"mine", create=True)


def test_runs_end_as_on_a_disk(world: World) -> None:
    for name, sync in world.syncs.items():
        assert world.lab.run(sync).error is None
        world.check_quiet(name)
    world.person("u1", 2, None)
    world.no_person("u2")
    world.write()
    assert world.lab.run(world.syncs["users/people"]).accepted == 2
    world.check()
    world.check_quiet("users/people")
    assert world.lab.run(world.syncs["users/people"]).requests == 0


def launcher_of(world: World) -> Launcher:
    return Launcher(world.lab, environment={k: v for k, v in os.environ.items() if k.startswith("AWS_")})


def test_a_killed_run_is_recovered(world: World) -> None:
    launcher = launcher_of(world)
    for name in ("users/people", "events/once"):
        before = len(world.simulator.messages())
        with held_back(world.simulator, after=2):
            process = launcher.start("run", name)
            until(lambda: len(world.simulator.messages()) == before + 6)  # noqa: B023
            process.signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert world.lab.run(world.syncs[name]).error is None
        world.check()
        world.check_quiet(name)


def test_events_that_candu_did_not_take_go_again_after_a_kill_in_a_long_pause(world: World) -> None:
    """Under ``uncertain: skip`` an event without an answer is never sent again. These had one: 429."""
    world.happened = {f"e{n}": True for n in range(400)}
    world.write()
    world.simulator.fault("status", status=429, retry_after=3600, after=3, times=2)
    world.lab.overrides |= {"batch_size": 30, "concurrency": 2}
    process = launcher_of(world).start("run", "events/skipped")
    sync = world.syncs["events/skipped"]
    state = world.lab.state(sync)

    def receipts_are_out() -> bool:
        """All answers so far; one 429 is enough: then the other worker waits, too."""
        claimed = read_claim(state, 1)
        found = [request["status"] for request in world.simulator.requests()]
        if claimed is None or 429 not in found:
            return False
        outcome = read_receipts(state, claimed.run_id)
        return outcome.settled[0] == 30 * found.count(200) and not outcome.uncertain

    until(receipts_are_out)
    process.signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    world.simulator.clear_faults()
    assert world.lab.run(sync).error is None
    assert len(world.simulator.events()) == 400
    assert list_uncertain(state) == []


def test_receipts_are_out_without_another_line_after_them(url: str) -> None:
    state = State(url).of("users/model", None)
    log = ReceiptLog(state, "run-1")
    log.write({"sent": [0, 9]})
    log.write({"accepted": [0, 9], "at": "now"})
    until(lambda: read_receipts(state, "run-1").accepted == [(0, 9)])
    log.close()
    assert len(state.store.list(state.name("runs/"))) == 2


def test_two_processes_with_one_run_do_not_write_over_each_others_receipts(url: str) -> None:
    """As when Dagster retries a push whose process is only stopped."""
    logs = [ReceiptLog(State(url).of("users/model", None), "run-1") for _ in range(2)]
    for n, log in enumerate(logs):
        log.write({"sent": [n, n]})
        log.write({"accepted": [n, n], "at": "now"})
    for log in logs:
        log.close()
    assert sorted(read_receipts(State(url).of("users/model", None), "run-1").accepted) == [(0, 0), (1, 1)]


def test_a_log_that_cannot_be_put_says_so_when_it_is_closed(url: str) -> None:
    state = State(url).of("users/model", None)
    log = ReceiptLog(state, "run-1")
    log.write({"accepted": [0, 9], "at": "now"})
    failures: list[str] = []

    def put(name: str, data: bytes, *, create: bool = False, sync: bool = True) -> bool:
        failures.append(name)
        raise StateError("the store is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state.store, "put", put)
        with pytest.raises(StateError, match="away"):
            log.write({"sent": [10, 19]})
        with pytest.raises(StateError, match="away"):
            log.close()
    assert not any(thread.name == "candu-sync receipts" for thread in threading.enumerate())


def test_two_writers(world: World) -> None:
    """One of them is refused, or finds all done."""
    launcher = launcher_of(world)
    world.simulator.fault("delay", seconds=0.02)
    both = [launcher.start("run", name) for name in ("events/once", "events/once")]
    codes = [process.wait() for process in both]
    assert 0 in codes, [process.said() for process in both]
    assert all(code == 0 or "has claimed" in p.said() or "make the plan again" in p.said()
               for code, p in zip(codes, both, strict=True)), [p.said() for p in both]
    world.simulator.clear_faults()
    assert world.lab.run(world.syncs["events/once"]).error is None
    assert len(world.simulator.events()) == 30


def test_an_altered_object_is_named(world: World, url: str) -> None:
    sync = world.syncs["users/people"]
    world.lab.run(sync)
    file = world.lab.state(sync).current().files["base"]
    open_store(url).put(file.name, b"something else")
    world.person("u1", 2, "x")
    world.write()
    with pytest.raises(DamagedState, match=r"base-\w+\.arrow has 14 bytes instead of"):
        world.lab.run(sync)


def test_an_object_store_that_refuses(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-secret-name")
    bucket = url.split("/")[2]
    with pytest.raises(StateError, match=r"there is no bucket or container no-such-bucket\.") as refused:
        State(url.replace(bucket, "no-such-bucket"))
    assert "AKIA" not in str(refused.value)
    assert not isinstance(refused.value, StateUnreachable)


def test_an_object_store_that_does_not_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StateUnreachable, match="cannot be reached"):
        State(url)


def test_only_the_owner_reads_the_local_files(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, ObjectStore)
    store.put("a/file", b"personal")
    path = store.local("a/file")
    assert path is not None
    assert path.parent.parent.stat().st_mode & 0o077 == 0
