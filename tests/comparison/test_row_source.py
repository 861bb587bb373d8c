"""A plan that reads only the rows whose hash PostgreSQL made, and is not known, finds what one of all rows finds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from candu_sync.comparison import hashed_source, row_source
from candu_sync.forgetting import forget
from candu_sync.simulator import Simulator
from candu_sync.snapshot import HashMemory, KnownRows, LearntRows, RowPairs, forget_hashes, sorted_runs
from candu_sync.state import State
from candu_sync.syncs.sync import Sync
from candu_sync.warehouse import HashedModel, RowTotal, postgres_row_hashes
from candu_sync.warehouse.postgres_row_hashes import _PostgresHashes
from tests.support.both_ways import both_ways
from tests.support.lab import Lab

BY_TOTAL, BY_ROWS = "adbc, by one hash of all rows", "adbc, by row hashes"
WHOLE = "postgres copy"


class Server:
    """A table of a schema of its own, and syncs over it."""

    def __init__(self, lab: Lab, url: str) -> None:
        self.lab, self.schema = lab, f"s{uuid.uuid4().hex[:12]}"
        self._connection = psycopg.connect(url, autocommit=True)
        self.run(f"create schema {self.schema}")

    def run(self, sql: str) -> None:
        self._connection.execute(f"set search_path = {self.schema}; {sql}")

    def sync(self, columns: str = "*", yaml: str = "", name: str = "users/people", table: str = "people") -> Sync:
        return self.lab.sync(name, f"select {columns} from {self.schema}.{table}", yaml)

    def close(self) -> None:
        self.run(f"drop schema {self.schema} cascade")
        self._connection.close()


@pytest.fixture(autouse=True)
def small_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_source, "LEAST_ROWS", 1)
    monkeypatch.setattr(hashed_source, "MOST_CHANGED", 0.9)


@pytest.fixture
def server(tmp_path: Path, simulator: Simulator, postgres_url: str) -> Iterator[Server]:
    made = Server(Lab(tmp_path, simulator, warehouse_url=postgres_url), postgres_url)
    yield made
    made.close()


def people(server: Server, rows: int = 30) -> None:
    server.run(f"""
        create table people as
        select 'u' || i as user_id, i::int8 as seats, (i * 1.50)::numeric as price, 'plan ' || i % 3 as plan
        from generate_series(1, {rows}) i""")


def learnt(server: Server, sync: Sync) -> Sync:
    """After two runs all rows are known."""
    first, second = server.lab.run(sync), server.lab.run(sync)
    assert (first.status, second.messages) == ("succeeded", 0)
    return sync


def memory(server: Server, sync: Sync) -> dict[str, Any]:
    return server.lab.state(sync).read_json("row_hashes.json") or {}


def test_nothing_changed_is_one_row_and_no_write(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    people(server)
    sync = learnt(server, server.sync())
    assert memory(server, sync)["total"][0] == 30
    monkeypatch.setattr(HashMemory, "write", lambda *_: pytest.fail("nothing was learnt"))
    changes, _ = both_ways(server.lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.unchanged) == (BY_TOTAL, 0, 30)
    result = server.lab.run(sync)
    assert (result.status, result.rows, result.unchanged, result.requests) == ("succeeded", 30, 30, 0)


def test_only_rows_that_differ_travel(server: Server) -> None:
    people(server)
    sync = learnt(server, server.sync())
    server.run("update people set seats = 5 where user_id in ('u1', 'u2'); delete from people where user_id = 'u3';"
               "insert into people values ('new', 1, 1, 'x')")
    changes, _ = both_ways(server.lab, sync)
    summary = changes.summary
    assert (summary.added, summary.changed, summary.removed, summary.rows) == (1, 2, 1, 30)
    assert (changes.path, changes.rows_read) == (BY_ROWS, 3)
    assert 0 < changes.bytes_read < 4000
    assert server.lab.run(sync).accepted == 3
    # What was learnt of the three rows holds, now that Candu has them.
    changes, _ = both_ways(server.lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.messages) == (BY_ROWS, 0, 0)
    changes, _ = both_ways(server.lab, sync)
    assert changes.path == BY_TOTAL


def test_a_change_of_form_is_read_once_and_sends_nothing(server: Server) -> None:
    server.run("""
        create table people as
        select 'u' || i as user_id, 5.0::numeric as price, timestamptz '2026-01-05 12:30:00.1+00' as seen
        from generate_series(1, 10) i""")
    sync = learnt(server, server.sync())
    server.run("update people set price = 5.00 where user_id = 'u1'; update people set seen = seen + interval '1 us'"
               "where user_id = 'u2'")
    changes, _ = both_ways(server.lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.messages) == (BY_ROWS, 2, 0)
    changes, _ = both_ways(server.lab, sync)
    assert changes.path == BY_TOTAL


# Changes of value, most of which PostgreSQL's own hash of the type does not show.
CHANGES = [
    ("int8", "5", "4294967300"), ("numeric", "5", "-5"), ("bpchar", "'a '", "'a'"), ("varchar", "'a'", "'A'"),
    ("timestamptz", "'2026-01-05 12:30Z'", "'2026-01-05 13:41:34.967299Z'"), ("float8", "0.5", "'NaN'"),
    ("date", "'2026-01-05'", "'infinity'"), ("numeric", "'NaN'", "1"), ("bool", "null", "false"),
    ("text", "''", "null"), ("numeric", "0", "null"), ("int8", "9007199254740992", "9007199254740993"),
]


def test_each_change_that_a_types_own_hash_may_hide_is_found(server: Server) -> None:
    columns = ", ".join(f"x{n} {type_}" for n, (type_, _, _) in enumerate(CHANGES))
    server.run(f"create table people (user_id text, seats int, {columns})")
    for n, (_, old, _) in enumerate(CHANGES):
        server.run(f"insert into people (user_id, seats, x{n}) values ('u{n}', 1, {old})")
    server.run("insert into people select 'same' || i, 1 from generate_series(1, 3) i")
    sync = learnt(server, server.sync())
    for n, (_, _, new) in enumerate(CHANGES):
        server.run(f"update people set x{n} = {new} where user_id = 'u{n}'")
    changes, all_rows = both_ways(server.lab, sync)
    assert (changes.path, changes.rows_read) == (BY_ROWS, len(CHANGES))
    counts = {name: all_rows["summary"][name] for name in ("changed", "invalid", "unchanged")}
    assert counts == {"changed": len(CHANGES) - 2, "invalid": 2, "unchanged": 3}


def test_a_model_that_is_not_steady_is_told_and_read_whole(server: Server) -> None:
    people(server)
    server.run("create view people_at_random as select *, case user_id when 'u1' then random() end as luck from people")
    sync = learnt_but_one(server, server.sync(table="people_at_random"))
    for _ in range(2):
        changes = server.lab.plan(sync)
        assert (changes.rows_read, changes.summary.changed, changes.summary.unchanged) == (30, 1, 29)
        assert changes.path == f"{WHOLE} ({row_source.UNSTEADY})"
    assert memory(server, sync)["unsteady"] is True
    # Another model is tried again.
    server.run("create or replace view people_at_random as select *, 0.5::float8 as luck from people")
    other = server.sync("*, 1 as one", table="people_at_random")
    server.lab.run(other, force=True)
    server.lab.run(other)
    server.lab.run(other)
    assert server.lab.plan(other).path == BY_TOTAL


def test_a_model_of_which_most_rows_are_random_is_told_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_source, "MOST_CHANGED", 0.3)
    people(server, rows=300)
    server.run("create view all_at_random as select *, (random() * 3)::int4 as luck from people")
    sync = server.sync(table="all_at_random", yaml="guard: {max_changed: null}")
    for _ in range(4):
        result = server.lab.run(sync)
        assert (result.status, result.rows, result.invalid) == ("succeeded", 300, 0)
    assert memory(server, sync)["unsteady"] is True


def learnt_but_one(server: Server, sync: Sync) -> Sync:
    server.lab.run(sync)
    assert server.lab.run(sync).messages == 1
    return sync


def test_where_most_rows_change_all_are_read_and_hashes_rest(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_source, "MOST_CHANGED", 0.3)
    people(server)
    sync = learnt(server, server.sync())
    paths = []
    for _ in range(4):
        server.run("update people set seats = seats + 1")
        paths.append((server.lab.run(sync, force=True).read, memory(server, sync)["rest"]))
    large, vain = ({"by": f"{by} ({why})", "rows": 30}
                   for by, why in (("adbc", hashed_source.LARGE), (WHOLE, row_source.VAIN)))
    assert [({name: read[name] for name in large}, rest) for read, rest in paths] == [
        (large, 0), (large, 1), (vain, 0), ({"by": WHOLE, "rows": 30}, 0)]
    assert server.lab.plan(sync).path == BY_ROWS
    assert memory(server, sync)["vain"] == 0


def test_where_the_query_itself_takes_long_hashes_rest(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    people(server)
    sync = learnt(server, server.sync())
    state = server.lab.state(sync)
    vain = []
    for seconds in (100.0, 0.0, 0.0):
        monkeypatch.setattr(hashed_source, "NOTICED", seconds)
        state.write_json("row_hashes.json", memory(server, sync) | {"seconds": 0.0})
        server.run("update people set seats = seats + 1 where user_id = 'u1'")
        assert server.lab.run(sync).read["by"] == BY_ROWS
        vain.append((memory(server, sync)["vain"], memory(server, sync)["rest"]))
    assert vain == [(0, 0), (1, 0), (2, 1)]
    assert server.lab.plan(sync).path == f"{WHOLE} ({row_source.VAIN})"


def _by_model(server: Server) -> Sync:
    return server.sync("*, 1 as one")


def _by_settings(server: Server) -> Sync:
    return server.sync(yaml="rename: {plan: tier}")


def _by_zone(server: Server) -> Sync:
    return server.sync(yaml="timezone: Europe/Paris")


def _by_type(server: Server) -> Sync:
    server.run("alter table people alter seats type int4")
    return server.sync()


def test_hashes_are_made_anew_where_anything_changes(server: Server) -> None:
    people(server)
    learnt(server, server.sync())
    for changed in (_by_model, _by_settings, _by_zone, _by_type):
        changes, _ = both_ways(server.lab, changed(server))
        assert (changes.path, changes.rows_read) == (WHOLE, 30), changed


def test_hashes_are_made_anew_on_another_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    people(server)
    sync = learnt(server, server.sync())
    sql = postgres_row_hashes._SERVER.replace("pg_catalog.version()", "'PostgreSQL 19'")
    monkeypatch.setattr(postgres_row_hashes, "_SERVER", sql)
    changes, _ = both_ways(server.lab, sync)
    assert (changes.path, changes.rows_read) == (WHOLE, 30)


@pytest.mark.parametrize(("yaml", "options", "path"), [
    ("", {"full": True}, WHOLE), ("", {"keys": ["u1"]}, WHOLE), ("refresh: 30 days", {}, WHOLE),
    ("", {"keep": False}, WHOLE)])
def test_other_plans_read_all_rows_or_write_nothing(server: Server, yaml: str, options: dict[str, Any],
                                                    path: str) -> None:
    people(server)
    sync = server.sync(yaml=yaml)
    server.lab.run(sync)
    changes = server.lab.plan(sync, **options)
    assert (changes.path, changes.rows_read) == (path, 30)
    assert memory(server, sync) == {}


def test_constants_for_nulls_that_were_sent_are_sent_for_rows_that_did_not_change(server: Server) -> None:
    people(server, 6)
    sync = learnt(server, server.sync())
    server.run("update people set plan = null where user_id in ('u1', 'u2')")
    server.lab.run(sync)
    server.lab.run(sync)
    changes, _ = both_ways(server.lab, server.sync(yaml="nulls: {plan: none}"))
    assert (changes.summary.changed, changes.rows_read) == (2, 6)


def test_events_and_small_tables_are_read_whole(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    people(server)
    events = server.sync("user_id, user_id as event_id, 'seen' as event, timestamptz '2026-01-05 12:30Z' as timestamp",
                         name="events/seen")
    sync = server.sync()
    monkeypatch.setattr(row_source, "LEAST_ROWS", 31)
    for each in (events, sync):
        server.lab.run(each)
        assert server.lab.run(each).read["by"] == WHOLE
        assert memory(server, each) == {}


def test_a_table_that_does_not_fit_into_memory_is_learnt_in_parts(server: Server, monkeypatch: pytest.MonkeyPatch,
                                                                  ) -> None:
    monkeypatch.setattr(sorted_runs, "RUN", 50)
    people(server, rows=1000)
    sync = learnt(server, server.sync())
    assert server.lab.plan(sync).path == BY_TOTAL
    server.run("update people set seats = -1 where seats % 100 = 0; delete from people where user_id = 'u3'")
    for read, changed in ((10, 10), (0, 0)):
        changes, _ = both_ways(server.lab, sync)
        assert (changes.path, changes.rows_read, changes.summary.changed) == (BY_ROWS, read, changed)
        server.lab.run(sync)
    folder = server.lab.state(sync).store.folder
    assert folder is not None
    assert [path.name for path in folder.rglob("*") if path.name.isdigit()] == []


def test_columns_that_are_not_sent_are_not_compared(server: Server) -> None:
    people(server)
    server.run("alter table people add seen timestamptz, add body json")
    sync = learnt(server, server.sync(yaml="omit: [seen, body]"))
    server.run("update people set seen = now(), body = '{}'")
    assert server.lab.plan(sync).path == BY_TOTAL


def test_each_partition_knows_its_own_rows(server: Server) -> None:
    people(server)
    sync = server.sync("* from (select *, left(plan, 6) as part", "{partitions: {static: ['plan 0', 'plan 1']}}",
                       table="people) t where part = :partition --")
    for partition in ("plan 0", "plan 1"):
        server.lab.run(sync, partition)
        server.lab.run(sync, partition)
    server.run("update people set seats = -1 where user_id = 'u3'")
    one, other = (server.lab.plan(sync, partition) for partition in ("plan 0", "plan 1"))
    assert (one.path, one.rows_read, other.path) == (BY_ROWS, 1, BY_TOTAL)


def test_rows_that_change_while_they_are_read_are_found_by_the_next_run(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(server)
    sync = learnt(server, server.sync())
    server.run("update people set seats = 100 where user_id = 'u1'")
    hashes = _PostgresHashes.hashes

    def then_change(model: HashedModel) -> Iterator[pa.RecordBatch]:
        yield from hashes(model)  # type: ignore[arg-type]
        server.run("update people set seats = 200 where user_id in ('u1', 'u2'); delete from people where user_id='u3'")

    with monkeypatch.context() as patch:
        patch.setattr(_PostgresHashes, "hashes", then_change)
        first = server.lab.run(sync)
    second = server.lab.run(sync)
    assert (first.read["by"], first.changed, first.removed) == (BY_ROWS, 1, 0)
    assert (second.changed, second.removed) == (2, 1)


def test_a_person_who_is_forgotten_leaves_the_hashes(server: Server) -> None:
    people(server)
    sync = learnt(server, server.sync())
    with server.lab.project() as project:
        forget(project, {sync.name: sync}, "u1")
    state = server.lab.state(sync)
    assert [name for name in state.store.list(state.name("")) if "row_hashes" in name] == []
    for rows in (30, 1):
        changes, _ = both_ways(server.lab, sync)
        assert (changes.rows_read, changes.summary.forgotten, changes.summary.messages) == (rows, 1, 0)


def test_rows_that_candu_refused_stay_held(server: Server, simulator: Simulator) -> None:
    people(server)
    simulator.fault("refuse", user_ids=["u2"])
    sync = server.sync()
    server.lab.run(sync)
    for rows in (30, 1):
        changes, _ = both_ways(server.lab, sync)
        assert (changes.rows_read, changes.summary.held, changes.summary.messages) == (rows, 1, 0)


def test_a_memory_that_is_lost_or_damaged_is_made_again(server: Server) -> None:
    people(server)
    sync = learnt(server, server.sync())
    state = server.lab.state(sync)
    server.run("update people set seats = 7 where user_id = 'u1'")
    for damage in (b"no arrow file", None):
        name = memory(server, sync)["file"]
        state.store.delete(name) if damage is None else state.store.put(name, damage)
        changes = server.lab.plan(sync)
        assert (changes.path, changes.rows_read, changes.summary.changed) == (WHOLE, 30, 1)
    for body in (b"{", json.dumps(memory(server, sync) | {"later": 1}).encode()):
        state.store.put(state.name("row_hashes.json"), body)
        assert server.lab.plan(sync).path == WHOLE


def test_what_is_known_is_kept_in_an_object_store(s3_url: str) -> None:
    state = State(s3_url).of("users/people", None)
    pairs = RowPairs(*(np.array([n, n + 10], np.uint64) for n in (1, 2, 3, 4)))
    for run in ("a", "b"):
        with closing(LearntRows(KnownRows.none(), state.store.scratch)) as learnt:
            learnt.add(pairs)
            HashMemory(local="l", fingerprint="f", total=RowTotal(2, 3, 4)).write(state, run, learnt)
    found = HashMemory.read(state, "l")
    known = found.known(state)
    assert found.total == RowTotal(2, 3, 4)
    assert known is not None
    assert known.find(pairs.their_key, pairs.their_row)[0].all()
    assert HashMemory.read(state, "other") == HashMemory(local="other")
    forget_hashes(state)
    assert state.store.list(state.name("")) == []


# Values of one column that are easily taken for each other; the last of each is set aside.
VALUES = {
    "big": ("int8", ["5", "4294967300", "-1", "null", "9007199254740993"]),
    "number": ("numeric", ["5", "5.00", "-5", "null", "'NaN'", "9007199254740993.0"]),
    "float": ("float8", ["0", "'-0'", "null", "'NaN'", "'Infinity'"]),
    "word": ("text", ["'a'", "'A'", "''", "null", "repeat('x', 33000)"]),
    "padded": ("bpchar", ["'a'", "'a '", "null"]),
    "at": ("timestamptz", ["'2026-01-05 12:30Z'", "'2026-01-05 12:30:00.5Z'", "null", "'infinity'"]),
    "day": ("date", ["'2026-01-05'", "'2026-01-06'", "null"]),
    "flag": ("bool", ["true", "false", "null"]),
}
ROWS = st.lists(st.tuples(st.sampled_from(["'a'", "'b'", "'c'", "'d'", "'e'", "''", "null"]), st.integers(0, 2),
                          *(st.sampled_from(values) for _, values in VALUES.values())), max_size=8)
SETTINGS = ["", "nulls: omit", "removed: {flag: false}", "omit: [word, big]", "{key: [user_id, org], removed: keep}",
            "{rename: {big: large}, nulls: {flag: false}}", "payload: full", "timezone: Europe/Paris"]


@settings(max_examples=2, phases=[Phase.explicit, Phase.generate])
@given(tables=st.lists(ROWS, min_size=2, max_size=2), yaml=st.sampled_from(SETTINGS), group=st.booleans())
def test_any_tables_give_the_same_plans(server: Server, tables: list[list[tuple[Any, ...]]], yaml: str,
                                        group: bool) -> None:
    group = group and "key" not in yaml
    name = f"{'groups' if group else 'users'}/t{uuid.uuid4().hex[:8]}"
    columns = ", ".join(f"{column} {type_}" for column, (type_, _) in VALUES.items())
    server.run(f"drop table if exists people; create table people (user_id text, org int, {columns})")
    sync = server.sync("*, 'g' || org as group_id" if group else "*", yaml, name)
    # Rows that stay, so that some are always known.
    stays = [(f"'s{n}'", n, *(values[0] for _, values in VALUES.values())) for n in range(4, 10)]
    for rows in tables:
        values = ", ".join(f"({', '.join(map(str, row))})" for row in [*stays, *rows])
        server.run(f"truncate people; insert into people values {values}")
        server.lab.run(sync, force=True)
        changes, _ = both_ways(server.lab, sync)
        shown = server.lab.run(sync, force=True)
        assert shown.messages == changes.summary.messages
