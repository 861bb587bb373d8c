"""Ids that Candu sees against those that a model gives: counts, ways, examples without persons, SQL that mends."""

from __future__ import annotations

import re
import tracemalloc
import unicodedata
from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.embedded import Embedded
from candu_sync.seen_ids.comparing import Comparison, Difference, Given, compare_ids
from candu_sync.warehouse import open_warehouse

ENGINE = Embedded(256_000_000)


@pytest.fixture(autouse=True, scope="module")
def _closed() -> Iterable[None]:
    yield
    ENGINE.close()


def compared(model: Sequence[str], seen: Sequence[str | None], dialect: str = "duckdb",
             **others: Sequence[object]) -> Comparison:
    with ENGINE.use() as connection:
        rows = Given(connection)
        connection.register("rows_of_model", pa.table({"user_id": pa.array(model, pa.string()), **others}))
        rows.add("rows_of_model", {name: f"{name}::VARCHAR" for name in others})
        return compare_ids(connection, [pa.array(seen, pa.string())], dialect=dialect)


def only(found: Comparison) -> Difference:
    [difference] = found.differences
    return difference


NFC, NFD = "caf\u00e9", "cafe\u0301"

# model, seen, the way, an example, the SQL that mends in DuckDB
WAYS = [
    (["ab", "b"], ["AB", "B"], "case", ("XX", "xx"), "upper(user_id)"),
    (["AB", "B"], ["ab", "b"], "case", ("xx", "XX"), "lower(user_id)"),
    (["aB"], ["Ab"], "case", ("Xx", "xX"), None),
    ([" ab "], ["ab"], "spaces", ("xx", "␣xx␣"), "trim(user_id)"),
    (["ab"], [" ab"], "spaces", ("␣xx", "xx"), None),
    (["ab\u00a0"], ["ab"], "spaces", ("xx", "xx<U+00A0>"), None),
    (["ab"], ["\u200bab"], "spaces", ("<U+200B>xx", "xx"), None),
    ([NFD], [NFC], "unicode", ("xxx[x´]", "xxx[x+´]"), "nfc_normalize(user_id)"),
    ([NFC], [NFD], "unicode", ("xxx[x+´]", "xxx[x´]"), None),
    (["0017", "0018"], ["17", "18"], "number", ("99", "0099"), "ltrim(user_id, '0')"),
    (["17.0", "18.00"], ["17", "18"], "number", ("99", "99.0"), "split_part(user_id, '.', 1)"),
    (["017.0"], ["17"], "number", ("99", "099.0"), "cast(cast(user_id as decimal(38, 0)) as varchar)"),
    (["17", "8"], ["0017", "0008"], "number", ("0009", "9"), "lpad(cast(user_id as varchar), 4, '0')"),
    (["17", "12345"], ["0017"], "number", ("0099", "99"), None),
    (["17", "18"], ["usr_17", "usr_18"], "prefix", ("usr_99", "99"), "'usr_' || user_id"),
    (["usr_a", "usr_b"], ["a", "b"], "prefix", ("x", "usr_x"), "substr(user_id, 5)"),
    (["U17", "U18"], ["user:17", "user:18"], "prefix", ("user:99", "U99"), "'user:' || substr(user_id, 2)"),
    ([" 0Ab"], ["0aB "], "several", ("9xX␣", "␣0Xx".replace("0", "9")), None),
    ([" AB "], ["ab"], "several", ("xx", "␣XX␣"), "lower(trim(user_id))"),
]


@pytest.mark.parametrize(("model", "seen", "way", "example", "sql"), WAYS)
def test_each_way_has_its_count_an_example_and_the_sql_that_mends(
        model: list[str], seen: list[str], way: str, example: tuple[str, str], sql: str | None) -> None:
    found = compared(model, [*seen, "quite other"])
    assert (found.seen, found.equal, found.unknown) == (len(seen) + 1, 0, 1)
    difference = only(found)
    assert (difference.way, difference.count, difference.sql) == (way, len(seen), sql)
    assert example in difference.examples
    assert difference.mends == (len(seen) if sql else 0)
    if sql:
        with duckdb.connect() as connection:
            mended = connection.execute(
                f"select {sql} from (select unnest($ids) as user_id)", {"ids": model}).fetchall()
        after = compared([row[0] for row in mended], seen)
        assert (after.share, after.differences) == (1.0, ())


def test_examples_are_of_ids_that_look_different() -> None:
    ids = ["a1", "b2", "c33", "d44", "e555", "f6666"]
    found = compared(ids, [id_.upper() for id_ in ids])
    assert only(found).examples == (("X9", "x9"), ("X99", "x99"), ("X999", "x999"))


def test_an_email_in_place_of_an_internal_id() -> None:
    found = compared(["1", "2", "3"], ["Ada@x.io", "bo@x.io", "cy@x.io"], email=["ada@x.io", "bo@x.io", None])
    difference = only(found)
    assert (difference.way, difference.column, difference.count, difference.sql) == ("column", "email", 2, "email")
    assert difference.mends == 1
    assert difference.examples == (("Xxx@x.xx", "9"), ("xx@x.xx", "9"))
    assert (found.unknown, found.emails) == (1, "seen")


def test_an_internal_id_in_place_of_an_email() -> None:
    emails = ["ada@x.io", "bo@x.io"]
    found = compared(emails, ["71", "72"], account_id=[71, 72], paid=[71, 72])
    assert (only(found).column, only(found).sql) == ("account_id", "account_id")
    assert compared(emails, ["71", "72"]).emails == "given"


def test_a_column_that_many_users_share_is_no_id() -> None:
    found = compared([f"u{n}" for n in range(20)], ["71"], account_id=[71] * 20)
    assert (found.differences, found.unknown) == ((), 1)


def test_one_id_is_no_rule_of_prefixes_and_a_name_in_an_address_is_none() -> None:
    assert compared(["17"], ["anna-17"]).unknown == 1
    assert compared(["smith@x.io", "lee@x.io"], ["ann-smith@x.io", "bo-lee@x.io"]).unknown == 2


def test_sql_that_would_break_more_ids_than_it_mends_is_not_shown() -> None:
    found = compared(["Ab", "Cd", "Ef", "gh"], ["Ab", "Cd", "Ef", "GH"])
    assert (only(found).count, only(found).sql) == (1, None)


def test_ids_that_were_never_seen_are_no_fault_and_blank_ones_do_not_count() -> None:
    found = compared(["a", "b", "c"], ["a", "a", "", " ", "\u00a0", None])
    assert (found.seen, found.equal, found.unknown, found.share) == (1, 1, 0, 1.0)
    assert compared(["a"], []).share == 1.0
    assert compared([], ["a"]).unknown == 1


@pytest.mark.parametrize(("dialect", "sql"), [
    ("postgresql", ["'usr_' || user_id", "ltrim(user_id, '0')", "split_part(user_id, '.', 1)",
                    "normalize(user_id, NFC)"]),
    ("sqlite", ["'usr_' || user_id", "ltrim(user_id, '0')", "substr(user_id, 1, instr(user_id || '.', '.') - 1)",
                None]),
    ("mysql", ["concat('usr_', user_id)", "trim(leading '0' from user_id)", "substring_index(user_id, '.', 1)",
               None]),
    ("snowflake", ["'usr_' || user_id", "ltrim(user_id, '0')", "split_part(user_id, '.', 1)", None]),
    ("bigquery", ["concat('usr_', cast(user_id as string))", "ltrim(user_id, '0')",
                  "split(user_id, '.')[safe_offset(0)]", "normalize(user_id, NFC)"]),
])
def test_the_sql_is_in_the_warehouses_dialect(dialect: str, sql: list[str | None]) -> None:
    cases = [(["17", "18"], ["usr_17", "usr_18"]), (["0017"], ["17"]), (["17.0"], ["17"]), ([NFD], [NFC])]
    assert [only(compared(model, seen, dialect)).sql for model, seen in cases] == sql


LETTERS = st.text(st.sampled_from("aAbB0017. _-:@|é\u0301\u00a0x\u200b😀ßſ"), max_size=6)


@settings(max_examples=25)
@given(model=st.lists(LETTERS, max_size=8), seen=st.lists(LETTERS | st.none(), max_size=8),
       emails=st.lists(LETTERS | st.none(), min_size=8, max_size=8))
def test_every_id_that_is_seen_is_counted_once(model: list[str], seen: list[str | None],
                                               emails: list[str | None]) -> None:
    found = compared(model, seen, email=pa.array(emails[:len(model)], pa.string()))
    assert found.seen == found.equal + found.unknown + sum(one.count for one in found.differences)
    there = {text for text in seen if text is not None and "".join(
        letter for letter in text if unicodedata.category(letter)[0] not in "ZC")}
    assert found.seen == len(there)
    assert found.equal == len(there & set(model))
    for one in found.differences:
        assert 0 < len(one.examples) <= 3
        assert (one.sql is None) == (one.mends == 0)
        assert one.mends <= one.count
        # No letter or digit of a person, but for x, zeros, decimals of zeros and a prefix of several.
        if one.way not in ("prefix", "number"):
            shown = re.sub(r"<U\+\w{4}>", "", "".join(text for pair in one.examples for text in pair))
            assert not set("aAbB17é") & set(shown)


def test_no_python_object_is_made_for_an_id() -> None:
    """All is done by sets in the engine: a million ids against a million take seconds."""
    count = 50_000
    model = pc.binary_join_element_wise("usr_", pa.array(range(count)).cast(pa.string()), "")
    with ENGINE.use() as connection:
        rows = Given(connection)
        connection.register("rows_of_model", pa.table({"user_id": model}))
        rows.add("rows_of_model", {})
        tracemalloc.start()
        try:
            found = compare_ids(connection, [pc.utf8_upper(model), model.slice(0, count // 2)], dialect="duckdb")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (found.seen, found.equal, only(found).way, only(found).count) == (75_000, 25_000, "case", 50_000)
    assert most < 10 * count


# Those whose SQL differs from one dialect to the next.
HARD_ONES = [way for way in WAYS if way[2] in ("number", "prefix") and way[4] is not None]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_each_dialect_takes_the_sql_and_the_ids_are_equal_then(dialect: str, request: pytest.FixtureRequest) -> None:
    fixture = {"postgresql": "postgres_url", "mysql": "mariadb_url"}.get(dialect)
    with open_warehouse(request.getfixturevalue(fixture) if fixture else "sqlite://") as warehouse:
        for model, seen, *_ in HARD_ONES:
            difference = only(compared(model, seen, dialect))
            rows = " union all ".join(f"select '{id_}' as user_id" for id_ in model)
            given = warehouse.values(f"select {difference.sql} from ({rows}) model")
            assert (set(given), difference.mends) == (set(seen), len(seen)), difference.sql
        for seen in (["0017"], ["usr_17", "usr_18"]):  # the model's are numbers
            difference = only(compared(["17", "18"], seen, dialect))
            assert seen[0] in warehouse.values(f"select {difference.sql} from (select 17 as user_id) model")
