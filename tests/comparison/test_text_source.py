"""Row hashes of warehouses whose queries see rows of different moments: nothing wrong is learnt, sent or removed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from candu_sync.comparison import hashed_source, row_source
from candu_sync.comparison.source import LARGE, MOVED
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.warehouse import HashedModel
from candu_sync.warehouse.text_hashes import _TextHashes
from tests.support.both_ways import both_ways, found
from tests.support.lab import Lab
from tests.support.text_hashes import on_fakesnow, on_postgres, use_redshifts


@dataclass
class Side:
    """A warehouse, a table of its own in it, and what its paths are called."""

    lab: Lab
    run: Callable[[str], None]
    table: str
    read: str
    path: str

    def sync(self, columns: str = "*") -> Sync:
        return self.lab.sync("users/people", f"select {columns} from {self.table}")

    def learnt(self, rows: int = 20) -> Sync:
        """After two runs all rows are known."""
        values = ", ".join(f"('u{n}', {n}, 'plan {n % 3}')" for n in range(rows))
        self.run(f"create table {self.table} (user_id varchar, seats bigint, plan varchar)")
        self.run(f"insert into {self.table} values {values}")
        sync = self.sync()
        first, second = self.lab.run(sync), self.lab.run(sync)
        assert (first.status, second.status, second.messages) == ("succeeded", "succeeded", 0)
        return sync


# On fakesnow each query takes long.
both = pytest.mark.parametrize(("side", "writes"), [("snowflake", 1), ("redshift", 4)], indirect=["side"])


@pytest.fixture
def side(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator,
         monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    monkeypatch.setattr(row_source, "LEAST_ROWS", 1)
    monkeypatch.setattr(hashed_source, "MOST_CHANGED", 0.9)
    table = f"people_{uuid.uuid4().hex[:12]}"
    if getattr(request, "param", "redshift") == "redshift":
        url = request.getfixturevalue("postgres_url")
        use_redshifts(monkeypatch)
        made = Side(Lab(tmp_path, simulator, warehouse_url=url), on_postgres(url), table, "postgres copy", "rows")
    else:
        engine = request.getfixturevalue("snowflake_engine")
        monkeypatch.setattr("candu_sync.warehouse.connect.open_engine", lambda *_: engine)
        lab = Lab(tmp_path, simulator, warehouse_url="snowflake://account/wh", row_hashes="all")
        made = Side(lab, on_fakesnow(engine), table, "snowflake arrow", "snowflake arrow")
    yield made
    made.run(f"drop table if exists {table}")


def between(monkeypatch: pytest.MonkeyPatch, side: Side, *statements: str) -> None:
    """Write after the query of the hashes, before that of the rows."""
    hashes = _TextHashes.hashes

    def then_write(model: HashedModel) -> Iterator[pa.RecordBatch]:
        assert isinstance(model, _TextHashes)
        yield from hashes(model)
        for statement in statements:
            side.run(statement.format(side.table))

    monkeypatch.setattr(_TextHashes, "hashes", then_write)


def test_only_rows_that_differ_travel_and_nothing_changed_is_one_row(side: Side) -> None:
    sync = side.learnt()
    changes, _ = both_ways(side.lab, sync)
    assert (changes.path, changes.rows_read) == (f"{side.path}, by one hash of all rows", 0)
    for statement in ("update {} set seats = null where user_id = 'u1'", "update {} set plan = '' where user_id = 'u2'",
                      "delete from {} where user_id = 'u3'", "insert into {} values ('new', 1, 'x')"):
        side.run(statement.format(side.table))
    changes, _ = both_ways(side.lab, sync)
    assert (changes.path, changes.rows_read) == (f"{side.path}, by row hashes", 3)
    assert (changes.summary.added, changes.summary.changed, changes.summary.removed) == (1, 2, 1)
    assert side.lab.run(sync).accepted == 3


WRITES = {
    "a row that was asked for changes again": ("update {} set seats = -2 where user_id = 'u1'", (20, 1, 0, 0)),
    "it is gone": ("delete from {} where user_id = 'u1'", (19, 0, 1, 0)),
    "it is as it was": ("update {} set seats = 1 where user_id = 'u1'", (20, 0, 0, 0)),
    "it comes with a second row of its key": ("insert into {} values ('u1', 5, 'y')", (21, 0, 0, 2)),
}


@both
def test_where_rows_change_between_the_queries_all_are_read_by_one(
        side: Side, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = side.learnt()
    for write, (sql, counts) in list(WRITES.items())[:writes]:
        side.run(f"delete from {side.table} where user_id = 'u1'; "
                 f"insert into {side.table} values ('u1', -1, 'plan 1')")
        with monkeypatch.context() as patch:
            between(patch, side, sql)
            changes = side.lab.plan(sync, keep=False)
        summary = changes.summary
        assert changes.path == f"{side.read} ({MOVED})", write
        assert (changes.rows_read, summary.changed, summary.removed, summary.invalid) == counts, write
    # Nothing of that is remembered: a plan by hashes finds what this one of all rows found.
    after = side.lab.plan(sync, keep=False)
    assert (after.path, found(after)) == (f"{side.path}, by row hashes", found(changes))


def test_a_row_that_was_not_asked_for_is_found_by_the_next_run(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = side.learnt()
    side.run(f"update {side.table} set seats = -1 where user_id = 'u1'")
    with monkeypatch.context() as patch:
        between(patch, side, "update {} set seats = -2 where user_id = 'u2'", "delete from {} where user_id = 'u3'")
        first = side.lab.run(sync)
    second = side.lab.run(sync)
    assert (first.read["by"], first.changed, first.removed) == (f"{side.path}, by row hashes", 1, 0)
    assert (second.changed, second.removed) == (1, 1)


def test_a_model_that_is_not_steady_is_read_whole_and_hashes_rest(side: Side) -> None:
    side.learnt()
    sync = side.sync("*, case user_id when 'u1' then (random() * 1000000000)::bigint end as luck")
    side.lab.run(sync, force=True)
    side.lab.run(sync, force=True)
    rests = []
    for _ in range(3):
        result = side.lab.run(sync, force=True)
        assert (result.changed, result.removed, result.invalid) == (1, 0, 0)
        rests.append((side.lab.state(sync).read_json("row_hashes.json") or {})["rest"])
    assert rests == [0, 1, 0]


def test_a_warehouse_that_refuses_the_hashes_is_read_by_value(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = side.learnt()
    side.run(f"update {side.table} set seats = -1 where user_id = 'u1'")
    monkeypatch.setattr(_TextHashes, "_listed", "no_such_function() as a, 2 as b")
    changes = side.lab.plan(sync)
    assert "(no row hashes: the query of the hashes failed: the warehouse refused" in changes.path
    assert (changes.rows_read, changes.summary.changed) == (20, 1)


def test_so_many_keys_at_most_are_asked_for(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = side.learnt()
    side.run(f"update {side.table} set seats = -1 where user_id in ('u1', 'u2')")
    init = _TextHashes.__init__

    def with_one_key(model: _TextHashes, *arguments: object) -> None:
        init(model, *arguments)  # type: ignore[arg-type]
        model.most_keys = 1

    monkeypatch.setattr(_TextHashes, "__init__", with_one_key)
    changes, _ = both_ways(side.lab, sync)
    assert (changes.path, changes.rows_read) == (f"{side.path} ({LARGE})", 20)


@pytest.mark.parametrize("side", ["snowflake"], indirect=True)
def test_a_plan_says_that_the_setting_leaves_this_warehouse_out(side: Side) -> None:
    side.lab.overrides["row_hashes"] = "tested"
    changes = side.lab.plan(side.learnt())
    assert changes.path == f"{side.read} (no row hashes: CANDU_ROW_HASHES is tested, which leaves snowflake out)"


def test_a_type_without_an_exact_text_is_named(side: Side) -> None:
    side.learnt()
    changes = side.lab.plan(side.sync("*, 1.5::float as score"))
    assert "(no row hashes: the column score has the type float" in changes.path.lower()
