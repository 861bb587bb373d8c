"""The state in S3, as moto's server has it: put-if-absent, whole runs, a kill and its recovery, two writers."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from candu_sync.errors import DamagedState, StateError
from candu_sync.simulator import Simulator
from candu_sync.state.object_store import ObjectStore
from candu_sync.state.store import open_store
from candu_sync.state.versions import State
from tests.drills.processes import Launcher
from tests.drills.world import World, make_world


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def url(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of its own; where S3 is stands in the environment, as the AWS tools have it."""
    bucket = f"b{uuid.uuid4().hex}"
    assert httpx.put(f"{endpoint}/{bucket}").status_code == 200
    for name, value in {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket}/some/prefix"


@pytest.fixture
def world(tmp_path: Path, simulator: Simulator, url: str) -> World:
    world = make_world(tmp_path, simulator)
    world.lab.overrides |= {"state_url": url, "timeout": 20}
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
    """The store repeats such a put, and is told that the name is taken, by its own first attempt."""
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
        world.simulator.fault("delay", seconds=0.02)
        process = launcher.start("run", name)
        until = time.monotonic() + 20
        before = len(world.simulator.messages())
        while len(world.simulator.messages()) < before + 6:
            assert time.monotonic() < until, process.said()
            time.sleep(0.01)
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        world.simulator.clear_faults()
        assert world.lab.run(world.syncs[name]).error is None
        world.check()
        world.check_quiet(name)


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
    with pytest.raises(DamagedState, match=r"base-\w+\.arrow has 14 bytes instead of"):
        world.lab.run(sync)


def test_an_object_store_that_does_not_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-secret-name")
    bucket = url.split("/")[2]
    with pytest.raises(StateError, match=r"cannot be reached.*Check CANDU_STATE_URL and its credentials") as refused:
        State(url.replace(bucket, "no-such-bucket"))
    assert "AKIA" not in str(refused.value)


def test_what_is_read_as_a_file_is_for_its_owner_alone(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, ObjectStore)
    store.put("a/file", b"personal")
    path = store.local("a/file")
    assert path is not None
    assert path.parent.parent.stat().st_mode & 0o077 == 0
