"""``--jobs N``: several syncs and partitions at a time, with the results, the output and the order of one at a time."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from candu_sync import pipeline
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from tests.support.folder import Folder
from tests.support.waiting import delayed, held_back, until

EVENT = ("select 'e' || n || day as event_id, 'u' || n as user_id, 'seen' as event, day::timestamp as timestamp "
         "from days where day >= :window_start and day < :window_end")
# The last day of a user counts.
DAY = "select 'u' || n as user_id, day as last_seen from days where day >= :window_start and day < :window_end"


def make(project: Folder) -> Folder:
    """Syncs of each kind and each sort of partitions; one is stopped by its guard, one cannot be read, and one has a
    row that cannot be sent."""
    project.query("create or replace table numbers as select n::int as n from range(6) t(n)")
    project.query("create or replace table days as select n % 2 as n, (date '2026-11-01' + n // 2)::date as day "
                  "from numbers")
    users = "select 'u' || n as user_id, n as {} from numbers"
    for name in ("a", "b", "c"):
        project.model(f"users/{name}", users.format(name))
    project.model("users/bad", "select * from nothing_of_that_name")
    project.model("users/guarded", users.format("g"), "guard: {min_rows: 100}")
    project.model("users/invalid", "select nullif('u' || n, 'u3') as user_id, n as i from numbers")
    project.model("users/halves", "select 'u' || n as user_id, n as h from numbers where n % 2 = :partition::int",
                  "partitions: {static: ['0', '1']}")
    project.model("users/shards", users.format("s"), "{partitions: {shards: 2}, guard: {min_rows: 0}}")
    project.model("users/days", DAY, "{partitions: {daily: 2026-11-01}, guard: {min_rows: 0}}")
    project.model("groups/g", "select 'g' || n % 3 as group_id, 'u' || n as user_id, n % 3 as size from numbers")
    project.model("events/days", EVENT, "{partitions: {daily: 2026-11-01}, guard: {min_rows: 0}}")
    return project


DAYS = ("--partition", "2026-11-01..2026-11-03")
STAGED = ("users/a", "users/halves", "users/guarded", "users/shards")
WITHOUT_DAYS = ("--all", "--exclude", "users/days", "--exclude", "events/days")
COMMANDS: list[tuple[str, ...]] = [
    ("plan", *STAGED, "--save", "--json"), ("push", *STAGED, "--json"),
    ("run", "users/days", "events/days", "--json", *DAYS), ("run", *WITHOUT_DAYS, "--json"),
    ("plan", "users/a", "users/bad")]


@pytest.fixture
def simulators(simulator: Simulator) -> Iterator[tuple[Simulator, Simulator]]:
    with Simulator() as other:
        yield simulator, other


def said(project: Folder, words: tuple[str, ...]) -> tuple[Any, ...]:
    """What a command says and ends with, without what differs between any two runs."""
    ended = project.cli(*words)
    rows: Any = ended.out
    if "--json" in words:
        rows = [row | {"run_id": bool(row["run_id"]), "seconds": sorted(row["seconds"])} for row in ended.rows]
    return ended.code, rows, [line for line in ended.err.splitlines() if str(project.folder) not in line]


def test_it_sends_and_says_what_one_at_a_time_does(simulators: tuple[Simulator, Simulator], tmp_path: Path) -> None:
    one, four = (make(Folder(tmp_path / name, simulator)) for name, simulator in zip("ab", simulators, strict=True)
                 if (tmp_path / name).mkdir() is None)
    for words in COMMANDS:
        assert said(four, (*words, "--jobs", "4")) == said(one, words), words
    first, second = simulators
    assert first.users() == second.users()
    assert first.users()["u1"]["last_seen"] == "2026-11-03T00:00:00Z"
    assert first.groups() == second.groups()
    assert first.members() == second.members()
    kinds = [[kind for kind, _ in groupby(message["type"] for message in each.messages())] for each in simulators]
    assert kinds[0] == kinds[1]
    assert [len(each.events()) for each in simulators] == [6, 6]


def test_so_many_are_worked_on_at_a_time(project: Folder, simulator: Simulator,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Three wait for each other within their work. One at a time, the first would wait in vain."""
    project.people(3)
    for name in "abc":
        project.model(f"users/{name}", f"select user_id, plan as {name} from people")
    project.model("events/e", "select user_id as event_id, user_id, 'seen' as event, timestamp '2026-11-01' as "
                  "timestamp from people where :partition > ''", "partitions: {static: [x, y, z]}")
    together, run = threading.Barrier(3), pipeline.run

    def waits(target: Target, **options: Any) -> Any:
        together.wait(timeout=30)
        return run(target, **options)

    monkeypatch.setattr(pipeline, "run", waits)
    ended = project.cli("run", "--all", "--jobs", "3", "--json")
    assert ended.code == 0, ended.err
    assert [(row["sync"], row["partition"]) for row in ended.rows] == [
        ("users/a", None), ("users/b", None), ("users/c", None), *(("events/e", key) for key in "xyz")]


def test_the_databases_of_all_threads_share_the_memory(project: Folder) -> None:
    with project.project() as opened:
        opened.jobs = 4
        with opened.engine.use() as first, opened.engine.use() as second:
            limits = [each.sql("select current_setting('memory_limit')").fetchall() for each in (first, second)]
    with project.project() as alone, alone.engine.use() as connection:
        whole = connection.sql("select current_setting('memory_limit')").fetchall()
    assert limits[0] == limits[1] != whole


def test_a_cancelled_query_is_that_of_its_own_sync(project: Folder) -> None:
    """A sync that ends early ends its queries, and no other's."""
    with project.project() as opened:
        project.people(5)
        with opened.warehouse.read("select * from people", {}) as reading:
            thread = threading.Thread(target=opened.cancel_queries)
            thread.start()
            thread.join()
            assert sum(batch.num_rows for batch in reading) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_is_ended_in_the_middle(project: Folder, simulator: Simulator, number: signal.Signals) -> None:
    """Each of four syncs waits for an answer. What was accepted is committed at once, or by the next run."""
    project.people(30)
    for name in "abcd":
        project.model(f"users/{name}", f"select user_id, plan as {name} from people")
    with held_back(simulator, after=8):
        process = project.start("run", "--all", "--json", "--jobs", "4", batch_size="2", concurrency="1", timeout="100")
        until(lambda: delayed(simulator) == 4)
        process.send_signal(number)
        if number == signal.SIGINT:
            assert process.stderr is not None
            assert "stopping: no new requests" in process.stderr.readline()
        else:
            process.wait()
    ended = project.ended(process)
    taken = Counter(name for user in simulator.users().values() for name in user)
    assert sum(taken.values()) == 2 * (8 + 4)
    if number == signal.SIGINT:
        assert [(row["sync"], row["status"]) for row in ended.rows] == [(f"users/{name}", "failed") for name in "abcd"]
        assert [row["accepted"] for row in ended.rows] == [taken[name] for name in "abcd"]
        assert (ended.code, ended.err.count("the next run goes on from there")) == (1, 4)
    rest = project.cli("run", "--all", "--json", "--jobs", "4")
    assert rest.code == 0, rest.err
    assert len(simulator.users()) == 30
    assert all(set(user) == {*"abcd"} for user in simulator.users().values())
    # The answers that were under way are lost with the process that was killed.
    again = 0 if number == signal.SIGINT else 2
    assert [row["accepted"] for row in rest.rows] == [30 - taken[name] + again for name in "abcd"]


def test_a_wrong_key_ends_all(project: Folder) -> None:
    make(project)
    ended = project.cli("run", "users", "--jobs", "4", "--json", "--exclude", "users/days", api_key="wrong")
    assert ended.code == 1
    assert {row["status"] for row in ended.rows} <= {"failed", "guarded"}
    assert sum(row["accepted"] for row in ended.rows) == 0
