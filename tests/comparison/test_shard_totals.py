"""Shards that one command compares: what their totals in one query find is what each shard's own query finds."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from candu_sync import pipeline
from candu_sync.changes import discard
from candu_sync.cli.each import each
from candu_sync.comparison import row_source, shard_totals
from candu_sync.due import targets_of
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from candu_sync.warehouse import RowTotal
from candu_sync.warehouse.duckdb_row_hashes import _DuckDBHashes
from candu_sync.warehouse.postgres_row_hashes import _PostgresHashes
from tests.support.lab import Lab
from tests.support.shard_totals import noted_totals

SHARDS = "partitions: {shards: 4}\n"
ALONE, TOGETHER = "duckdb arrow, by row hashes", "duckdb arrow, by one hash of all rows"
AS_A_WHOLE = "by one hash of all shards"


@pytest.fixture(autouse=True)
def small_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_source, "LEAST_ROWS", 1)


@pytest.fixture
def lab(tmp_path: Path, simulator: Simulator) -> Lab:
    made = Lab(tmp_path, simulator)
    made.query("create table people as select 'u' || i as user_id, i::bigint as seats, 'plan ' || i % 3 as plan "
               "from range(80) t(i)")
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many shards' totals were asked for, each time."""
    return noted_totals(monkeypatch)


def planned(lab: Lab, sync: Sync, *, together: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """How each shard was read and what was found, by a command over all, or by a command for each."""
    found = []

    def act(target: Target) -> Any:
        changes = pipeline.plan(target, keep=False)
        found.append((changes.path, dataclasses.asdict(changes.summary)))
        discard(changes)
        return lambda: 0

    for keys in [None] if together else [[f"{n}-of-4"] for n in range(4)]:
        in_one_command(lab, sync, act, keys)
    return found


def in_one_command(lab: Lab, sync: Sync, act: Callable[[Target], Any], keys: list[str] | None = None) -> None:
    with lab.project() as project:
        assert set(each(project, [sync], lambda _: keys, act)) == {0}


def ran(lab: Lab, sync: Sync) -> list[str]:
    """Run all shards in one command; how each was read."""
    paths = []

    def act(target: Target) -> Any:
        changes = pipeline.plan(target)
        paths.append(changes.path)
        assert pipeline.push(target, changes).status == "succeeded"
        return lambda: 0

    in_one_command(lab, sync, act)
    return paths


def sent(lab: Lab, sql: str = "select * from people", yaml: str = SHARDS, name: str = "users/people") -> Sync:
    sync = lab.sync(name, sql, yaml)
    with lab.project() as project:
        assert {pipeline.run(target).status for target in targets_of(project, sync, [])} == {"succeeded"}
    return sync


def test_one_query_says_of_all_shards_that_nothing_changed(lab: Lab, asked: list[int]) -> None:
    sync = sent(lab)
    together, alone = planned(lab, sync), planned(lab, sync, together=False)
    assert ([path for path, _ in together], asked) == ([TOGETHER] * 4, [4])
    assert [path for path, _ in alone] == [ALONE] * 4
    assert [summary for _, summary in together] == [summary for _, summary in alone]
    assert sum(summary["unchanged"] for _, summary in together) == 80


def test_of_shards_that_changed_their_own_query_is_asked(lab: Lab, asked: list[int]) -> None:
    sync = sent(lab)
    lab.query("update people set seats = -1 where user_id = 'u7'")
    together = planned(lab, sync)
    assert sorted(path for path, _ in together) == [TOGETHER] * 3 + [ALONE]
    assert sum(summary["changed"] for _, summary in together) == 1
    assert asked == [4]


CHANGES = st.lists(st.one_of(
    st.tuples(st.just("update people set seats = {1} where user_id = 'u{0}'"), st.integers(0, 90), st.integers(0, 3)),
    st.tuples(st.just("update people set plan = null where user_id = 'u{0}'"), st.integers(0, 90), st.just(0)),
    st.tuples(st.just("delete from people where user_id = 'u{0}'"), st.integers(0, 90), st.just(0)),
    st.tuples(st.just("insert into people values ('u{0}', {1}, 'x')"), st.integers(0, 90), st.integers(0, 90)),
    st.tuples(st.just("insert into people select * from people where user_id = 'u{0}'"), st.integers(0, 9),
              st.just(0)),
    st.tuples(st.just("update people set seats = case seats when {0} then {1} else {0} end where seats in ({0}, {1})"),
              st.integers(0, 90), st.integers(0, 90)),
    st.tuples(st.just("update people set user_id = 'u' || {1} where user_id = 'u{0}'"), st.integers(0, 90),
              st.integers(0, 90)),
), max_size=4)


@dataclasses.dataclass
class Table:
    """A table ``people`` of a warehouse, and a sync of it in four shards."""

    lab: Lab
    query: Callable[[str], object]
    sync: Sync


@pytest.fixture(params=["duckdb", "postgresql"])
def table(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[Table]:
    """Candu has all its rows, and each shard knows what their total was."""
    if request.param == "duckdb":
        lab: Lab = request.getfixturevalue("lab")
        made = Table(lab, lab.query, lab.sync("users/people", "select * from people", SHARDS))
        yield _settled(made)
        return
    url, schema = request.getfixturevalue("postgres_url"), f"s{uuid.uuid4().hex[:12]}"
    lab = Lab(tmp_path, simulator, warehouse_url=url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create schema {schema}; set search_path = {schema}; create table people as "
                           "select 'u' || i as user_id, i::int8 as seats, 'plan ' || i % 3 as plan "
                           "from generate_series(0, 79) i")
        yield _settled(Table(lab, connection.execute, lab.sync(
            "users/people", f"select * from {schema}.people", SHARDS)))
        connection.execute(f"drop schema {schema} cascade")


def _settled(table: Table) -> Table:
    for _ in range(3):
        ran(table.lab, table.sync)
    return table


def as_a_whole(paths: list[str]) -> int:
    return sum(path.endswith(AS_A_WHOLE) for path in paths)


def test_where_nothing_changed_the_whole_table_is_asked_once(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for model in (_DuckDBHashes, _PostgresHashes):
        def counted(self: Any, total: Callable[[Any], RowTotal] = model.total) -> RowTotal:
            asked.append(self.path)
            return total(self)
        monkeypatch.setattr(model, "total", counted)
        monkeypatch.setattr(model, "hashes", lambda _: pytest.fail("no row was asked for"))
    assert as_a_whole(ran(table.lab, table.sync)) == 4
    assert len(asked) == 1


def test_a_value_of_one_row_is_found_and_the_whole_counts_again_after_it(table: Table) -> None:
    table.query("update people set seats = -1 where user_id = 'u7'")
    together, alone = planned(table.lab, table.sync), planned(table.lab, table.sync, together=False)
    assert [summary for _, summary in together] == [summary for _, summary in alone]
    assert sum(summary["changed"] for _, summary in together) == 1
    # The change is sent; its shard learns its new total; then the whole is compared again.
    paths = [ran(table.lab, table.sync) for _ in range(3)]
    assert [as_a_whole(found) for found in paths] == [0, 0, 4]


def test_a_shard_that_another_process_ran_meanwhile_is_asked_by_itself(table: Table) -> None:
    """The whole was compared before. The shard has another version now: it is not taken for unchanged."""
    shards: list[str] = []

    def act(target: Target) -> Any:
        if not shards:
            changes = pipeline.plan(target, keep=False)
            assert as_a_whole([changes.path]) == 1
            discard(changes)
            target.project.release_warehouse()
            table.query("update people set seats = seats + 1000")
            with table.lab.project() as other:
                for shard in targets_of(other, table.sync, []):
                    assert pipeline.run(shard).accepted == shard.state.current().rows
            table.query("update people set seats = seats - 1000")
        else:
            changes = pipeline.plan(target, keep=False)
            assert changes.summary.changed == target.state.current().rows
            discard(changes)
        shards.append(target.name)
        return lambda: 0

    in_one_command(table.lab, table.sync, act)
    assert len(shards) == 4


def test_a_shard_whose_state_is_damaged_keeps_no_other_back(table: Table) -> None:
    state = table.lab.state(table.sync, "2-of-4")
    state.store.put(state.store.list(state.name("versions/"))[-1], b"{")
    found: dict[str, str] = {}

    def act(target: Target) -> Any:
        changes = pipeline.plan(target, keep=False)
        found[target.partition or ""] = changes.path
        discard(changes)
        return lambda: 0

    with table.lab.project() as project:
        codes = each(project, [table.sync], lambda _: None, act)
    assert sorted(found) == ["0-of-4", "1-of-4", "3-of-4"]
    assert sorted(codes)[:3] == [0, 0, 0]
    assert len(codes) == 4
    assert codes[2] != 0


def test_a_command_of_some_shards_does_not_compare_the_whole(table: Table) -> None:
    paths: list[str] = []

    def act(target: Target) -> Any:
        changes = pipeline.plan(target, keep=False)
        paths.append(changes.path)
        discard(changes)
        return lambda: 0

    in_one_command(table.lab, table.sync, act, ["0-of-4", "2-of-4"])
    assert (len(paths), as_a_whole(paths)) == (2, 0)


@pytest.mark.hypothesis
def test_the_same_is_found_whatever_changes(table: Table) -> None:
    lab, sync = table.lab, table.sync

    @settings(max_examples=8, deadline=None, phases=[Phase.generate])
    @given(CHANGES, st.booleans())
    def same(changes: list[tuple[str, int, int]], send: bool) -> None:
        table.query("begin; " + "".join(f"{sql.format(*numbers)};" for sql, *numbers in changes) + "commit")
        together, alone = planned(lab, sync), planned(lab, sync, together=False)
        assert [summary for _, summary in together] == [summary for _, summary in alone]
        if send:
            ran(lab, sync)

    same()


def test_a_snapshot_with_a_delta_and_rows_that_left(lab: Lab) -> None:
    sync = sent(lab)
    lab.query("update people set seats = -1 where user_id in ('u7', 'u8'); insert into people values ('new', 1, 'x')")
    sent(lab)
    assert {path for path, _ in planned(lab, sync)} == {TOGETHER}
    lab.query("delete from people where user_id = 'u7'")
    sent(lab)
    together, alone = planned(lab, sync), planned(lab, sync, together=False)
    assert [summary for _, summary in together] == [summary for _, summary in alone]
    # The row is in the snapshot's file still, so that its shard is asked for its hashes.
    assert sorted(path for path, _ in together) == [TOGETHER] * 3 + [ALONE]


def test_a_model_that_looks_at_its_partition_is_read_for_each(lab: Lab, asked: list[int]) -> None:
    sync = sent(lab, "select * from people where :partition <> 'none'")
    assert ([path for path, _ in planned(lab, sync)], asked) == ([ALONE] * 4, [])


def test_shards_of_other_traits_are_read_by_themselves(lab: Lab, asked: list[int]) -> None:
    """Where one shard alone has a value of a trait, its hashes are of more traits than those of the others."""
    lab.query("alter table people add vip boolean; update people set vip = true where user_id = 'u7'")
    sync = sent(lab)
    together, alone = planned(lab, sync), planned(lab, sync, together=False)
    assert [summary for _, summary in together] == [summary for _, summary in alone]
    assert set(asked) == {4}


def test_totals_do_not_outlive_their_command(lab: Lab, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    sync = sent(lab)
    with lab.project() as project:
        for _ in range(2):
            each(project, [sync], lambda _: None, lambda target: _planned_alone(target))
            assert (project.at_once, project.shard_totals) == (frozenset(), {})
    assert asked == [4, 4]
    monkeypatch.setattr(shard_totals, "HOLDS", 0.0)
    planned(lab, sync)
    assert asked == [4, 4] + [4] * 4


def _planned_alone(target: Target) -> Any:
    discard(pipeline.plan(target, keep=False))
    return lambda: 0
