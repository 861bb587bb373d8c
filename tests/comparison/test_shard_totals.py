"""Shards that one command compares: what their totals in one query find is what each shard's own query finds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

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
from candu_sync.warehouse.duckdb_row_hashes import _DuckDBHashes
from tests.support.lab import Lab

SHARDS = "partitions: {shards: 4}\n"
ALONE, TOGETHER = "duckdb arrow, by row hashes", "duckdb arrow, by one hash of all rows"


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
    found: list[int] = []
    whole = _DuckDBHashes.shard_totals

    def counted(model: _DuckDBHashes, column: str, count: int) -> Any:
        totals = whole(model, column, count)
        found.append(len(totals))
        return totals

    monkeypatch.setattr(_DuckDBHashes, "shard_totals", counted)
    return found


def planned(lab: Lab, sync: Sync, *, together: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """How each shard was read and what was found, by a command over all, or by a command for each."""
    found = []
    for keys in [None] if together else [[f"{n}-of-4"] for n in range(4)]:
        with lab.project() as project:
            def act(target: Target) -> Any:
                changes = pipeline.plan(target, keep=False)
                found.append((changes.path, dataclasses.asdict(changes.summary)))
                discard(changes)
                return lambda: 0
            each(project, [sync], lambda _, keys=keys: keys, act)
    return found


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


@pytest.mark.hypothesis
def test_the_same_is_found_whatever_changes(lab: Lab) -> None:
    sync = sent(lab)

    @settings(max_examples=15, deadline=None, phases=[Phase.generate])
    @given(CHANGES)
    def same(changes: list[tuple[str, int, int]]) -> None:
        lab.query("begin; " + "".join(f"{sql.format(*numbers)};" for sql, *numbers in changes) + "commit")
        together, alone = planned(lab, sync), planned(lab, sync, together=False)
        assert [summary for _, summary in together] == [summary for _, summary in alone]

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
