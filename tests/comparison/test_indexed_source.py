"""DuckDB: a plan that reads only the rows whose hash the row index does not have finds what one of all rows finds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from candu_sync import embedded
from candu_sync.comparison import indexed_source, row_source
from candu_sync.comparison.source import LARGE, UNSTEADY
from candu_sync.diff import Prefilter
from candu_sync.forgetting import Tombstones, forget
from candu_sync.forgetting.tombstone_files import put_tombstone
from candu_sync.simulator import Simulator
from candu_sync.snapshot import Index
from candu_sync.state import State
from candu_sync.syncs.sync import Sync
from candu_sync.warehouse import RowHashes
from candu_sync.warehouse.duckdb_engine import DuckDBEngine
from candu_sync.warehouse.duckdb_row_hashes import _DuckDBHashes
from tests.support.both_ways import both_ways
from tests.support.lab import Lab

BY_HASHES = "duckdb arrow, by row hashes"


@pytest.fixture(autouse=True)
def small_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_source, "LEAST_ROWS", 1)
    monkeypatch.setattr(row_source, "MOST_CHANGED", 10)


@pytest.fixture
def lab(tmp_path: Path, simulator: Simulator) -> Lab:
    made = Lab(tmp_path, simulator)
    made.query("""
        create table people as
        select 'u' || i as user_id, i::bigint as seats, (i * 1.50)::decimal(10, 2) as price, 'plan ' || i % 3 as plan
        from range(1, 31) t(i)""")
    return made


def sent(lab: Lab, sql: str = "select * from people", yaml: str = "", name: str = "users/people") -> Sync:
    sync = lab.sync(name, sql, yaml)
    assert lab.run(sync).status == "succeeded"
    return sync


def memory(lab: Lab, sync: Sync) -> dict[str, Any]:
    return lab.state(sync).read_json("row_hashes.json") or {}


def test_nothing_changed_brings_no_row_and_writes_nothing(lab: Lab) -> None:
    sync = sent(lab)
    changes, _ = both_ways(lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.unchanged) == (BY_HASHES, 0, 30)
    assert 30 * 16 <= changes.bytes_read < 1000
    result = lab.run(sync)
    assert (result.status, result.rows, result.unchanged, result.requests) == ("succeeded", 30, 30, 0)
    assert result.read == {"by": BY_HASHES, "rows": 0, "bytes": changes.bytes_read}
    assert memory(lab, sync) == {}


def test_only_rows_that_differ_come(lab: Lab) -> None:
    sync = sent(lab)
    lab.query("update people set seats = 5 where user_id in ('u1', 'u2'); delete from people where user_id = 'u3';"
              "insert into people values ('new', 1, 1, 'x')")
    changes, _ = both_ways(lab, sync)
    summary = changes.summary
    assert (summary.added, summary.changed, summary.removed, summary.rows) == (1, 2, 1, 30)
    assert (changes.path, changes.rows_read) == (BY_HASHES, 3)
    assert lab.run(sync).accepted == 3
    changes, _ = both_ways(lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.messages) == (BY_HASHES, 0, 0)


def test_a_change_of_form_brings_no_row(lab: Lab) -> None:
    sync = sent(lab)
    lab.query("alter table people alter seats type double; alter table people alter price type decimal(38, 10);"
              "alter table people alter plan type enum('plan 0', 'plan 1', 'plan 2')")
    changes, _ = both_ways(lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.messages) == (BY_HASHES, 0, 0)


# What is done to the rows → how many rows come then, and how many of these would be sent.
CHANGES = {
    "equal rows": ("insert into people select * from people where seats = 5", 0, 0),
    "a key with another row": ("insert into people values ('u1', 99, 1, 'x')", 2, 0),
    "keys that are null, blank or long": ("insert into people values (null, 1, 1, 'x'), (null, 2, 1, 'x'), "
                                          "('\u00a0', 1, 1, 'x'), (repeat('u', 33000), 1, 1, 'x')", 4, 0),
    "an integer beyond 2^53": ("update people set seats = 9007199254740993 where user_id = 'u6'", 1, 0),
    "a long text": ("update people set plan = repeat('x', 33000) where user_id = 'u7'", 1, 0),
    "nulls": ("update people set plan = null, price = null where user_id = 'u8'", 1, 1),
    "swapped values": ("update people set plan = case plan when 'plan 0' then 'plan 1' else 'plan 0' end "
                       "where user_id in ('u9', 'u10')", 2, 2),
}


def test_the_same_is_found_of_rows_of_all_sorts(lab: Lab) -> None:
    sync = sent(lab)
    lab.query("; ".join(sql for sql, _, _ in CHANGES.values()))
    changes, _ = both_ways(lab, sync)
    rows, messages = (sum(change[n] for change in CHANGES.values()) for n in (1, 2))
    assert (changes.path, changes.rows_read, changes.summary.messages) == (BY_HASHES, rows, messages)


def test_a_model_without_rows(lab: Lab) -> None:
    sync = sent(lab)
    lab.query("delete from people")
    changes, _ = both_ways(lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.removed) == (BY_HASHES, 0, 30)


def test_values_that_are_no_number_are_counted_as_ever(lab: Lab) -> None:
    lab.query("alter table people add score double; update people set score = seats / 2;"
              "update people set score = case user_id when 'u1' then 'nan' else 'inf' end where seats < 3")
    sync = sent(lab)
    changes, found = both_ways(lab, sync)
    assert (changes.rows_read, found["summary"]["not_finite"]) == (2, {"score": 2})


NEW_TRAITS = {"a new trait, and one without a value": "*, case when seats < 3 then 1 end as extra, null::int as more",
              "another kind": "* exclude seats, case when seats < 3 then 'few' end as seats",
              "one trait less, and an email that is no text": "* exclude plan, seats as email"}


@pytest.mark.parametrize("what", NEW_TRAITS)
def test_the_same_is_found_where_the_traits_change(lab: Lab, what: str) -> None:
    sent(lab)
    sync = lab.sync("users/people", f"select {NEW_TRAITS[what]} from people")
    for run in (True, False):
        changes, _ = both_ways(lab, sync)
        assert changes.path == BY_HASHES
        if run:
            lab.run(sync, force=True)


@pytest.mark.parametrize(("name", "sql", "yaml"), [
    ("users/orgs", "select user_id, seats % 2 = 0 as org, price from people", "{key: [user_id, org], omit: [org]}"),
    ("users/seats", "select seats as user_id, plan as tier, seats::utinyint as n from people", "key: [user_id, n]"),
    ("groups/plans", "select user_id, plan as group_id, plan || '!' as title from people", ""),
    ("users/renamed", "select * from people", "{rename: {plan: tier}, omit: [price], nulls: {seats: 0}}"),
    ("users/omitted", "select *, '{}'::json as body, [1] as list from people", "omit: [body, list]"),
    ("users/case", 'select user_id, seats as "Seats", seats + 1 as seats from people', ""),
])
def test_other_syncs(lab: Lab, name: str, sql: str, yaml: str) -> None:
    sync = sent(lab, sql, yaml, name)
    changes, _ = both_ways(lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.messages) == (BY_HASHES, 0, 0)
    lab.query("update people set seats = seats + 40, price = 7 where user_id = 'u6';"
              "update people set plan = 'plan 9' where user_id = 'u7'")
    changes, _ = both_ways(lab, sync)
    assert changes.path == BY_HASHES
    assert 0 < changes.rows_read < 5


def test_a_type_that_has_to_be_read_is_named(lab: Lab) -> None:
    sent(lab)
    for column, yaml, type_ in (("seats::float4", "", "FLOAT"), ("'7'::json", "", "JSON"),
                                ("seats::bignum", "", "BIGNUM"), ("7::variant", "", "VARIANT"),
                                ("timestamp '2026-01-05'", "timezone: Europe/Paris", "TIMESTAMP")):
        changes = lab.plan(lab.sync("users/people", f"select *, {column} as extra from people", yaml))
        assert changes.path == f"duckdb arrow (no row hashes: the column extra has the type {type_})"
        assert (changes.rows_read, changes.summary.changed) == (30, 30)


def test_a_model_that_is_not_steady_is_told_and_read_whole(lab: Lab) -> None:
    sync = sent(lab, "select *, case user_id when 'u1' then random() end as luck from people")
    for _ in range(2):
        changes = lab.plan(sync)
        assert (changes.rows_read, changes.summary.changed, changes.summary.unchanged) == (30, 1, 29)
        assert changes.path == f"duckdb arrow ({UNSTEADY})"
    assert memory(lab, sync)["unsteady"] is True
    # It is tried again in the end.
    lab.state(sync).write_json("row_hashes.json", memory(lab, sync) | {"rest": 1})
    lab.plan(sync)
    assert memory(lab, sync)["rest"] == 0
    other = lab.sync("users/people", "select *, 0.5 as luck from people")
    lab.run(other, force=True)
    assert lab.plan(other).path == BY_HASHES


def test_other_rows_at_each_reading_harm_nobody(lab: Lab) -> None:
    """Neither rows that are there at one reading and not at the other, nor a second row of a key."""
    sync = sent(lab)
    lab.query("""
        create view drawn as
        select * replace (case when random() < 0.5 then seats else -seats end as seats) from people where random() < 0.9
        union all
        select 'u5', 5, 1, 'x' where random() < 0.5""")
    sync = lab.sync("users/people", "select * from drawn")
    for _ in range(4):
        summary = lab.plan(sync, keep=False).summary
        assert summary.added == 0
        assert summary.rows == summary.changed + summary.unchanged + summary.invalid
        assert summary.rows + summary.removed >= 30


def test_both_queries_see_the_rows_of_one_moment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB lets no other process write to the file; a connection of this one can."""
    sync = sent(lab)
    lab.query("update people set seats = 100 where user_id = 'u1'")
    hashes = _DuckDBHashes.hashes

    def then_change(model: RowHashes) -> Iterator[pa.RecordBatch]:
        assert isinstance(model, _DuckDBHashes)
        yield from hashes(model)
        with model._connection.cursor() as other:
            other.execute("update people set seats = 200 where user_id in ('u1', 'u2')")

    monkeypatch.setattr(_DuckDBHashes, "hashes", then_change)
    whole = DuckDBEngine._connect

    def may_write(engine: DuckDBEngine) -> duckdb.DuckDBPyConnection:
        engine.read_only = False
        return whole(engine)

    monkeypatch.setattr(DuckDBEngine, "_connect", may_write)
    changes = lab.plan(sync)
    assert (changes.path, changes.rows_read, changes.summary.changed) == (BY_HASHES, 1, 1)
    monkeypatch.undo()
    assert lab.plan(sync).summary.changed == 2


def test_a_file_that_is_replaced_between_the_queries(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    file = lab.folder / "people.parquet"
    lab.query(f"copy people to '{file}'")
    sync = sent(lab, f"select * from read_parquet('{file}')")
    lab.query(f"update people set seats = 100 where user_id = 'u1'; copy people to '{file}'")
    hashes = _DuckDBHashes.hashes

    def then_change(model: RowHashes) -> Iterator[pa.RecordBatch]:
        assert isinstance(model, _DuckDBHashes)
        yield from hashes(model)
        with duckdb.connect() as other:
            changed = "case when seats < 3 or seats = 100 then 200 else seats end as seats"
            other.execute(f"copy (select * replace ({changed}) from '{file}') to '{file}.new' (format parquet)")
        Path(f"{file}.new").replace(file)

    monkeypatch.setattr(_DuckDBHashes, "hashes", then_change)
    changes = lab.plan(sync)
    assert (changes.path, changes.summary.changed) == (f"duckdb arrow ({UNSTEADY})", 2)


def test_where_most_rows_change_all_are_read_and_hashes_rest(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_source, "MOST_CHANGED", 0.3)
    sync = sent(lab)
    paths = []
    for _ in range(4):
        lab.query("update people set seats = seats + 1")
        paths.append((lab.run(sync, force=True).read["by"], memory(lab, sync)["rest"]))
    large, vain = (f"duckdb arrow ({why})" for why in (LARGE, row_source.VAIN))
    assert paths == [(large, 0), (large, 1), (vain, 0), (large, 3)]
    lab.state(sync).write_json("row_hashes.json", memory(lab, sync) | {"rest": 0})
    assert lab.plan(sync).path == BY_HASHES
    assert memory(lab, sync)["vain"] == 0


def test_where_the_query_itself_takes_long_hashes_rest(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = sent(lab)
    vain = []
    for seconds in (100.0, 0.0, 0.0):
        monkeypatch.setattr(indexed_source, "NOTICED", seconds)
        monkeypatch.setattr(indexed_source, "SAVED", 0.0)
        lab.query("update people set seats = seats + 1 where user_id = 'u1'")
        assert lab.run(sync).read["by"] == BY_HASHES
        vain.append((memory(lab, sync).get("vain", 0), memory(lab, sync).get("rest", 0)))
    assert vain == [(0, 0), (1, 0), (2, 1)]
    assert lab.plan(sync).path == f"duckdb arrow ({row_source.VAIN})"


def test_a_plan_says_that_the_setting_leaves_hashes_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = sent(lab)
    lab.overrides["row_hashes"] = "none"
    changes = lab.plan(sync)
    assert (changes.path, changes.rows_read) == ("duckdb arrow (no row hashes: CANDU_ROW_HASHES is none)", 30)
    # A full plan reads all rows in any case, and so does one of a small table.
    assert lab.plan(sync, full=True).path == "duckdb arrow"
    monkeypatch.setattr(row_source, "LEAST_ROWS", 31)
    assert lab.plan(sync).path == "duckdb arrow"


def test_other_plans_read_all_rows(lab: Lab) -> None:
    sync = sent(lab)
    refreshed = lab.sync("users/people", "select * from people", "refresh: 30 days")
    for each, options in ((sync, {"full": True}), (sync, {"keys": ["u1"]}), (refreshed, {})):
        changes = lab.plan(each, **options)
        assert (changes.path, changes.rows_read) == ("duckdb arrow", 30)


def test_events_and_small_tables_are_read_whole(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    events = sent(lab, "select user_id, user_id as event_id, 'seen' as event, timestamptz '2026-01-05 12:30Z' as "
                       "timestamp from people", name="events/seen")
    assert lab.plan(events).path == "duckdb arrow"
    monkeypatch.setattr(row_source, "LEAST_ROWS", 31)
    sync = sent(lab)
    assert lab.plan(sync).path == "duckdb arrow"


def test_constants_for_nulls_that_were_sent_are_sent_for_rows_that_did_not_change(lab: Lab) -> None:
    sync = sent(lab)
    lab.query("update people set plan = null where user_id in ('u1', 'u2')")
    lab.run(sync)
    changes, _ = both_ways(lab, lab.sync("users/people", "select * from people", "nulls: {plan: none}"))
    assert (changes.summary.changed, changes.rows_read) == (2, 30)


def test_each_partition_has_its_own_rows(lab: Lab) -> None:
    sync = lab.sync("users/people", "select * from people where plan = :partition -- the end",
                    "{partitions: {static: ['plan 0', 'plan 1']}}")
    for partition in ("plan 0", "plan 1"):
        lab.run(sync, partition)
    lab.query("update people set seats = -1 where user_id = 'u3'")
    one, other = (both_ways(lab, sync, partition)[0] for partition in ("plan 0", "plan 1"))
    assert (one.path, one.rows_read, other.path, other.rows_read) == (BY_HASHES, 1, BY_HASHES, 0)


def test_a_person_who_is_forgotten_is_left_out_and_counted(lab: Lab) -> None:
    sync = sent(lab)
    with lab.project() as project:
        forget(project, {sync.name: sync}, "u1")
    changes, _ = both_ways(lab, sync)
    assert (changes.path, changes.rows_read, changes.summary.forgotten) == (BY_HASHES, 1, 1)
    # Of one whose forgetting was interrupted, the snapshot has the row still.
    put_tombstone(State(lab.settings.state_url), "u2", finished=False)
    changes, _ = both_ways(lab, sync)
    assert (changes.rows_read, changes.summary.forgotten, changes.summary.messages) == (2, 2, 0)
    assert Tombstones("salt", frozenset()).condition is None


def test_rows_that_candu_refused_stay_held(lab: Lab, simulator: Simulator) -> None:
    simulator.fault("refuse", user_ids=["u2"])
    sync = lab.sync("users/people", "select * from people")
    lab.run(sync)
    changes, _ = both_ways(lab, sync)
    assert (changes.rows_read, changes.summary.held, changes.summary.messages) == (1, 1, 0)


def test_a_query_that_is_wrong_is_refused_as_ever(lab: Lab) -> None:
    sent(lab)
    for sql, why in (("select no_such from people", "no_such"), ("select seats from people", "no column user_id"),
                     ("select *, 1 as candu_key_hash from people", "")):
        sync = lab.sync("users/people", sql)
        if why:
            with pytest.raises(Exception, match=why):
                lab.plan(sync)
        else:
            assert lab.plan(sync).path == "duckdb arrow (no row hashes: a column has a name that is taken)"


# Values of one column that are easily taken for each other; the last of each is set aside, or becomes null.
VALUES = {
    "big": ("bigint", ["5", "4294967300", "-1", "null", "9007199254740993"]),
    "number": ("decimal(20, 2)", ["5", "-5", "null", "12345678901234.56", "9007199254740993.0"]),
    "float": ("double", ["0", "'-0'", "5", "null", "'NaN'"]),
    "word": ("varchar collate nocase", ["'a'", "'A'", "''", "null", "repeat('x', 33000)"]),
    "moment": ("timestamptz", ["'2026-01-05 12:30Z'", "'2026-01-05 12:30:00.5Z'", "null", "'infinity'"]),
    "here": ("timestamp", ["'1969-12-31 23:59:59.5'", "'1969-12-31 23:59:59'", "null", "'20000-01-01'"]),
    "day": ("date", ["'2026-01-05'", "'2026-01-06'", "null", "'infinity'"]),
    "flag": ("bool", ["true", "false", "null"]),
    "clock": ("time", ["'10:30'", "'24:00'", "null"]),
    "thing": ("uuid", ["'6f1c3a52-0000-4000-8000-00000000abcd'", "null"]),
}
ROWS = st.lists(st.tuples(st.sampled_from(["'a'", "'b'", "'c'", "'d'", "'e'", "''", "null"]), st.integers(0, 2),
                          *(st.sampled_from(values) for _, values in VALUES.values())), max_size=8)
SETTINGS = ["", "nulls: omit", "removed: {flag: false}", "omit: [word, big]", "{key: [user_id, org], removed: keep}",
            "{rename: {big: large}, nulls: {flag: false}}", "payload: full", "timezone: Europe/Paris"]


@settings(max_examples=2,
          phases=[Phase.explicit, Phase.generate])
@given(tables=st.lists(ROWS, min_size=2, max_size=2), yaml=st.sampled_from(SETTINGS), group=st.booleans())
def test_any_tables_give_the_same_plans(lab: Lab, tables: list[list[tuple[Any, ...]]], yaml: str, group: bool) -> None:
    group = group and "key" not in yaml
    columns = ", ".join(f"{column} {type_}" for column, (type_, _) in VALUES.items())
    lab.query(f"create or replace table made (user_id varchar, org int, {columns})")
    left = " exclude (here)" if "timezone" in yaml else ""
    group_id = ", 'g' || org as group_id" if group else ""
    sync = lab.sync(f"{'groups' if group else 'users'}/t{uuid.uuid4().hex[:8]}",
                    f"select *{left}{group_id} from made", yaml)
    stays = [(f"'s{n}'", n, *(values[0] for _, values in VALUES.values())) for n in range(4, 10)]
    for number, rows in enumerate(tables):
        values = ", ".join(f"({', '.join(map(str, row))})" for row in [*stays, *rows])
        lab.query(f"truncate made; insert into made values {values}")
        changes, _ = both_ways(lab, sync)
        assert number == 0 or changes.path == BY_HASHES
        assert lab.run(sync, force=True).messages == changes.summary.messages
    # All that Candu has is known by its hash.
    assert both_ways(lab, sync)[0].summary.messages == 0


def test_the_index_is_let_go_before_rows_come(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that differ need the memory that the look-up took."""
    seen: list[str] = []
    rows, give_back = _DuckDBHashes.rows, Index.give_back

    def asked(self: _DuckDBHashes, hashes: Any) -> Any:
        seen.append("rows")
        return rows(self, hashes)

    def given(self: Index) -> None:
        seen.append("given back")
        give_back(self)

    monkeypatch.setattr(_DuckDBHashes, "rows", asked)
    monkeypatch.setattr(Index, "give_back", given)
    monkeypatch.setattr(embedded, "FEW_ROWS", 0)
    sync = lab.sync("users/people", "select * from people")
    assert lab.run(sync).accepted == 30
    lab.query("update people set seats = seats + 1 where user_id = 'u7'")
    seen.clear()
    assert lab.plan(sync).summary.changed == 1
    assert seen[:2] == ["given back", "rows"]


def test_rows_that_were_looked_up_in_vain_are_not_looked_up_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[int] = []
    match = Prefilter.match

    def counted(self: Prefilter, keys: Any, rows: Any) -> Any:
        looked_up.append(len(keys))
        return match(self, keys, rows)

    sync = sent(lab)
    lab.query("update people set seats = 5 where user_id in ('u1', 'u2'); delete from people where user_id = 'u3';"
              "insert into people values ('u4', 4, 6, 'other'), ('new', 1, 1, 'x')")
    monkeypatch.setattr(Prefilter, "match", counted)
    changes = lab.plan(sync)
    # All rows; then, of the five that come, the one that the snapshot has: another of its key differs from it.
    assert [rows for rows in looked_up if rows] == [31, 1, 1]
    assert changes.rows_read == 5
    assert changes.summary.reasons
