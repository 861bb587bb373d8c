"""A query's rows in canonical form: which columns become traits, and why a row is set aside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest

from candu_sync.arrow_types import OBJECT, unusable
from candu_sync.errors import ModelError
from candu_sync.rows.kinds import Trait, ValueKind
from candu_sync.rows.result import Result
from candu_sync.syncs.spec import Kind as SyncKind
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab, error_of

NOON = dt.datetime(2026, 11, 5, 12)


def sync_of(lab: Lab, kind: SyncKind, yaml: str = "") -> Sync:
    return lab.sync(f"{kind}/model", "select 1", yaml)


def read(sync: Sync, *batches: pa.RecordBatch) -> tuple[Result, list[dict[str, Any]]]:
    """The result and its rows, the traits under their own names; those left out of a batch are missing."""
    result = Result(sync, batches[0].schema.names)
    rows = [row for batch in result.batches(batches) for row in batch.to_pylist()]
    named = [{result.names[int(c[1:])] if c[1:].isdigit() else c: value for c, value in row.items()} for row in rows]
    return result, named


def batch(**columns: Iterable[object] | pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})


class TestColumns:
    @pytest.mark.parametrize(("kind", "columns", "missing"), [
        ("users", ["plan"], "user_id"), ("groups", ["user_id", "plan"], "group_id"),
        ("groups", ["group_id", "plan"], "user_id"), ("events", ["event_id", "user_id", "event"], "timestamp"),
    ])
    def test_a_required_column_that_is_missing_is_named_with_those_that_are_there(
            self, lab: Lab, kind: SyncKind, columns: list[str], missing: str) -> None:
        said = error_of(Result, sync_of(lab, kind), columns)
        assert f"{kind}/model" in said
        assert f"no column {missing}" in said
        assert ", ".join(columns) in said

    def test_a_near_miss_gets_a_suggestion(self, lab: Lab) -> None:
        assert "did you mean USER_ID" in error_of(Result, sync_of(lab, "users"), ["USER_ID", "plan"])
        assert "did you mean userid" in error_of(Result, sync_of(lab, "users"), ["userid", "plan"])

    def test_rename_and_omit_must_name_columns_of_the_model(self, lab: Lab) -> None:
        sync = sync_of(lab, "users", "rename: {plan_name: plan}")
        assert "names column plan_name" in error_of(Result, sync, ["user_id", "plan"])
        sync = sync_of(lab, "users", "omit: [note]")
        assert "names column note" in error_of(Result, sync, ["user_id", "plan"])

    def test_two_columns_cannot_give_one_trait(self, lab: Lab) -> None:
        sync = sync_of(lab, "users", "rename: {plan_name: plan}")
        assert "two columns give the trait plan" in error_of(Result, sync, ["user_id", "plan", "plan_name"])

    def test_names_that_differ_by_case_are_two_traits(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["u"], Email=["A"], email=["a"]))
        assert (rows[0]["Email"], rows[0]["email"]) == ("A", "a")

    def test_renamed_and_omitted_columns(self, lab: Lab) -> None:
        sync = sync_of(lab, "users", "rename: {plan_name: total billed}\nomit: [note]")
        result, rows = read(sync, batch(user_id=["u"], plan_name=["pro"], note=["-"]))
        assert result.names == ["total billed"]
        assert rows == [{"user_id": "u", "key": "u", "total billed": "pro", "reason": None}]


class TestTypes:
    @pytest.mark.parametrize(("array", "hint"), [
        (pa.array([b"x"]), "encode it as text"), (pa.array([dt.timedelta(1)]), "length as a number"),
        (pa.array([[1]]), "an array"), (pa.array([{"a": 1}]), "an object"),
    ])
    def test_a_type_that_cannot_be_sent_names_sync_column_and_a_way_out(self, lab: Lab, array: pa.Array,
                                                                       hint: str) -> None:
        with pytest.raises(ModelError, match=f"users/model: column extra: .*{hint}"):
            read(sync_of(lab, "users"), batch(user_id=["u"], extra=array))

    def test_an_id_of_a_wrong_type_names_its_column(self, lab: Lab) -> None:
        with pytest.raises(ModelError, match="column user_id: a boolean cannot be an id"):
            read(sync_of(lab, "users"), batch(user_id=[True]))

    def test_an_event_at_a_number_names_its_column(self, lab: Lab) -> None:
        with pytest.raises(ModelError, match=r"column timestamp: .*not a point in time"):
            read(sync_of(lab, "events"), batch(event_id=["e"], user_id=["u"], event=["x"], timestamp=[5]))

    def test_rows_of_another_kind_than_the_first_are_set_aside(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a", "b"], seats=[5, 6]),
                       batch(user_id=["c"], seats=["7"]), batch(user_id=["d"], seats=[None]))
        assert [row["reason"] for row in rows] == [None, None, "seats is text, elsewhere number", None]

    def test_rows_of_a_type_that_cannot_be_sent_are_set_aside_where_others_can(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a"], seats=[5]), batch(user_id=["b"], seats=[b"x"]))
        assert [row["reason"] for row in rows] == [None, "seats holds binary"]

    def test_a_column_takes_its_kind_from_its_first_value(self, lab: Lab) -> None:
        result, rows = read(sync_of(lab, "users"), batch(user_id=["a"], seats=[None]), batch(user_id=["b"], seats=[5]))
        assert result.kinds == [ValueKind.NUMBER]
        assert [row.get("seats") for row in rows] == [None, 5.0]

    def test_nan_is_counted_by_trait(self, lab: Lab) -> None:
        result, _ = read(sync_of(lab, "users"), batch(user_id=["a", "b"], score=[float("nan"), 1.0], seats=[1, 2]),
                         batch(user_id=["c"], score=[float("inf")], seats=[3]))
        assert result.not_finite == {"score": 2}


class TestMixedKinds:
    """The kind of a trait does not follow the order of the rows."""

    TEXT = batch(user_id=["a"], seats=["many"])
    NUMBER = batch(user_id=["b", "c"], seats=[5, 6])
    ORDERS = pytest.mark.parametrize("batches", [(TEXT, NUMBER), (NUMBER, TEXT)], ids=["text first", "number first"])

    @staticmethod
    def kinds(sync: Sync, batches: Iterable[pa.RecordBatch], **options: Any) -> tuple[ValueKind, set[str]]:
        """The kind of the trait, and which users go."""
        result = Result(sync, ["user_id", "seats"], **options)
        rows = [row for rows in result.batches(batches) for row in rows.to_pylist()]
        return result.kinds[0], {row["key"] for row in rows if row["reason"] is None}

    @ORDERS
    def test_the_snapshots_kind_comes_first(self, lab: Lab, batches: tuple[pa.RecordBatch, ...]) -> None:
        for kind, users in ((ValueKind.TEXT, {"a"}), (ValueKind.NUMBER, {"b", "c"})):
            known = [Trait("seats", ValueKind.BOOLEAN), Trait("seats", kind), Trait("other", ValueKind.TEXT)]
            assert self.kinds(sync_of(lab, "users"), batches, known=known,
                              declared={"seats": pa.bool_()}) == (kind, users)

    @ORDERS
    def test_then_the_declared_type(self, lab: Lab, batches: tuple[pa.RecordBatch, ...]) -> None:
        for type_, kind, users in ((pa.string(), ValueKind.TEXT, {"a"}), (pa.int64(), ValueKind.NUMBER, {"b", "c"})):
            assert self.kinds(sync_of(lab, "users"), batches, declared={"seats": type_}) == (kind, users)

    def test_a_column_that_has_changed_its_kind_has_the_new_one(self, lab: Lab) -> None:
        known = [Trait("seats", ValueKind.TEXT)]
        assert self.kinds(sync_of(lab, "users"), [self.NUMBER], known=known) == (ValueKind.NUMBER, {"b", "c"})

    @ORDERS
    def test_email_is_text(self, lab: Lab, batches: tuple[pa.RecordBatch, ...]) -> None:
        sync = sync_of(lab, "users", "rename: {seats: email}")
        assert self.kinds(sync, batches) == (ValueKind.TEXT, {"a"})

    def test_one_value_that_cannot_be_sent_among_nulls_is_the_fault_of_its_row(self, lab: Lab) -> None:
        odd = unusable(pa.array([True, False]), OBJECT)
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a", "b"], seats=odd))
        assert [row["reason"] for row in rows] == ["seats holds an object", None]
        with pytest.raises(ModelError, match="column seats: an object cannot be a value: select its parts"):
            read(sync_of(lab, "users"), batch(user_id=["a"], seats=odd.slice(0, 1)))


class TestLongText:
    def test_it_is_left_out_before_the_engine_sees_it(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a", "b"], plan=["é" * 16_000, "é" * 16_001]))
        assert [(len(row["plan"] or ""), row["reason"]) for row in rows] == [
            (16_000, None), (0, "plan: message over 32 KB")]

    def test_ids_event_names_and_keys_too(self, lab: Lab) -> None:
        long = "x" * 32_001
        _, rows = read(sync_of(lab, "events"), batch(event_id=["1", "2", long], user_id=[long, "u", "u"],
                                                     event=["e", long, "e"], timestamp=[NOON] * 3))
        assert [row["reason"] for row in rows] == ["message over 32 KB"] * 2 + ["key over 32 KB"]
        assert all(value is None or len(str(value)) < 50 for row in rows for value in row.values())


class TestRowsSetAside:
    def test_null_and_blank_ids(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a", None, "", " "], plan=["x"] * 4))
        assert [row["reason"] for row in rows] == [None, "null key", "blank key", "blank key"]

    def test_an_integer_beyond_2_53_sets_its_row_aside(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a", "b"], seats=[5, 2**53 + 1]))
        assert [row["reason"] for row in rows] == [None, "seats: integer beyond 2^53"]

    def test_a_time_out_of_range_is_no_null_even_in_a_batch_of_its_own(self, lab: Lab) -> None:
        endless = pa.array([2**63 - 1], pa.timestamp("us"))
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a"], until=[NOON]), batch(user_id=["b"], until=endless))
        assert [row["reason"] for row in rows] == [None, "until: timestamp out of range"]
        _, rows = read(sync_of(lab, "users"), batch(user_id=["b"], until=endless))
        assert [row["reason"] for row in rows] == ["until: timestamp out of range"]

    def test_an_email_that_is_no_text(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "users"), batch(user_id=["a", "b"], email=[5, None]))
        assert [row["reason"] for row in rows] == ["email is not text", None]

    def test_events_need_a_name_and_a_time(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "events"), batch(
            event_id=["1", "2", "3", "4", "5", None], user_id=["u"] * 6,
            event=["x", None, " ", "candu.sdk.seen", "x", "x"], timestamp=[NOON, NOON, NOON, NOON, None, NOON]))
        assert [row["reason"] for row in rows] == [
            None, "null event", "null event", "event name is Candu's own (candu.sdk.)", "null timestamp", "null key"]

    @pytest.mark.parametrize(("name", "own"), [
        ("candu.sdk.content.interaction", True), ("Candu.SDK.content", True), (" candu.sdk.screen", True),
        ("candu_sdk_content_interaction", True), ("candu.sdk", False), ("my candu.sdk.content", False),
        ("candu-sdk-x", False), ("Candu shown", False),
    ])
    def test_an_event_of_candus_own_is_set_aside(self, lab: Lab, name: str, own: bool) -> None:
        _, [row] = read(sync_of(lab, "events"), batch(event_id=["1"], user_id=["u"], event=[name], timestamp=[NOON]))
        assert row["reason"] == ("event name is Candu's own (candu.sdk.)" if own else None)

    def test_an_event_without_a_user(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "events"), batch(event_id=["1"], user_id=pa.array([None], pa.string()), event=["x"],
                                                     timestamp=[NOON]))
        assert [row["reason"] for row in rows] == ["null key"]


class TestKeys:
    def test_a_key_of_several_columns_cannot_be_taken_for_another(self, lab: Lab) -> None:
        pairs = batch(group_id=["a|b", "a", "a\\", "a"], user_id=["c", "b|c", "|c", "\\|c"])
        _, rows = read(sync_of(lab, "groups"), pairs)
        assert len({row["key"] for row in rows}) == 4

    def test_a_missing_part_is_a_missing_key(self, lab: Lab) -> None:
        _, rows = read(sync_of(lab, "groups"), batch(group_id=["g", None], user_id=[None, "u"]))
        assert [(row["key"], row["reason"]) for row in rows] == [(None, "null key")] * 2

    def test_an_event_may_have_another_key_and_then_event_id_is_a_property(self, lab: Lab) -> None:
        sync = sync_of(lab, "events", "key: [order_id, day]")
        result, rows = read(sync, batch(order_id=[7], day=[NOON.date()], event_id=["e"], user_id=["u"], event=["x"],
                                        timestamp=[NOON]))
        assert rows[0]["key"] == "7|2026-11-05T00:00:00.000000Z"
        assert result.names == ["order_id", "day", "event_id"]

    def test_the_cursor_column_is_read_to_the_microsecond(self, lab: Lab) -> None:
        sync = sync_of(lab, "events", "cursor: {column: loaded_at, lookback: 1 day}")
        late = NOON.replace(microsecond=123456)
        _, rows = read(sync, batch(event_id=["1"], user_id=["u"], event=["x"], timestamp=[NOON], loaded_at=[late]))
        assert rows[0]["cursor"] == late
