"""A row → the JSON of its message. Candu parses what plain Python would write, whatever the names and values."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from candu_sync.changes.few_messages import messages_of_few
from candu_sync.changes.messages import Encoding, Identity, encode
from candu_sync.changes.outgoing import make_outgoing, set_large_aside
from candu_sync.diff.changed_rows import diff
from candu_sync.diff.loading import load
from candu_sync.embedded import open_embedded
from candu_sync.rows.columns import LARGEST_MESSAGE, MESSAGE_TOO_LARGE
from candu_sync.rows.result import Result
from candu_sync.snapshot.snapshot import Snapshot
from candu_sync.syncs.spec import Kind as SyncKind
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab

IDENTITY = Identity(uuid.UUID("5b0e6f0a-7a5c-4c3e-9f0a-0c5b8f6f2b11"), "users/model\n\n3")
NOON = dt.datetime(2026, 11, 5, 12)

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12).filter(
    lambda name: name not in ("user_id", "email"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 0.0, 5e-324, 1.7976931348623157e308, 1e15, 1e16, 1e22, 1e23, 0.1, 123456789012345680.0]))
integers = st.integers(-(2**53), 2**53)
times = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
kinds: list[st.SearchStrategy[Any]] = [texts, numbers, integers, st.booleans(), times]
columns = st.sampled_from(kinds).flatmap(lambda kind: st.lists(kind, min_size=3, max_size=3))
tables = st.dictionaries(names, columns, min_size=1, max_size=5)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_embedded(10**9) as connection:
        yield connection


def bodies(sync: Sync, rows: pa.Table, identity: Identity | None = IDENTITY) -> list[str]:
    """The messages of a first run with these rows, in order."""
    with open_embedded(10**9) as connection:
        encoding = _build(connection, sync, rows, identity)
        outgoing = connection.sql("SELECT * FROM outgoing ORDER BY message").to_arrow_table().to_batches()
        found = [body for batch in encode(connection, encoding, outgoing) for body in batch.column("body").to_pylist()]
        if outgoing:
            messages = connection.sql(encoding.messages("(FROM outgoing ORDER BY message)")).to_arrow_table()
            assert pa.Table.from_batches([messages_of_few(encoding, batch) for batch in outgoing]).equals(messages)
    assert all(body.endswith(",") for body in found)
    return [body[:-1] for body in found]


def _build(connection: duckdb.DuckDBPyConnection, sync: Sync, rows: pa.Table, identity: Identity | None) -> Encoding:
    result = Result(sync, rows.column_names)
    load(connection, sync, result, result.batches(rows.to_batches()))
    encoding = Encoding(sync.kind, diff(connection, sync, result, Snapshot(kind=sync.kind)).traits, identity)
    make_outgoing(connection, encoding)
    set_large_aside(connection, encoding)
    return encoding


def sync_of(lab: Lab, kind: SyncKind = "users", yaml: str = "") -> Sync:
    return lab.sync(f"{kind}/model", "select 1", yaml)


def as_json(value: object) -> object:
    """What a value is in JSON, by the rules of docs/values.md."""
    if isinstance(value, dt.datetime):
        return value.replace(microsecond=0).isoformat() + "Z"
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return value


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return sync_of(Lab(tmp_path_factory.mktemp("users")))


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return sync_of(Lab(tmp_path_factory.mktemp("events")), "events")


class TestJson:
    @settings(max_examples=40)
    @example({"Email": ["a"] * 3, "email ": ["b"] * 3, 'with "quotes"': [1.5] * 3, "it's": [True] * 3, "t0": ["c"] * 3})
    @example({"until": [dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1), dt.datetime(2263, 1, 1)]})
    @example({"a\nb": ["\x00\x01\x1f\x7f", "\u2028 </script> 👩‍👩‍👧", "\\\""], "😀": [-0.0, 5e-324, 1e23]})
    @example({"key": ["k"] * 3, "reason": ["r"] * 3, "op": ["o"] * 3, "message": ["m"] * 3, "gone": [True] * 3})
    @given(tables)
    def test_traits_parse_to_what_the_row_says(self, users: Sync, table: dict[str, list[Any]]) -> None:
        rows = pa.table({"user_id": ["u0", "u1", "u2"], **table})
        parsed = [orjson.loads(body) for body in bodies(users, rows)]
        expected = [{"type": "identify", "userId": f"u{i}",
                     "traits": {name: as_json(values[i]) for name, values in table.items()}} for i in range(3)]
        assert [{**body, "messageId": None} for body in parsed] == [{**body, "messageId": None} for body in expected]
        assert _types(parsed) == _types(expected)

    @settings(max_examples=40)
    @given(st.lists(texts, min_size=1, max_size=5, unique=True), texts)
    def test_ids_and_event_names_survive(self, events: Sync, ids: list[str], name: str) -> None:
        rows = pa.table({"event_id": ids, "user_id": ids, "event": [f"e{name}"] * len(ids),
                         "timestamp": [NOON] * len(ids)})
        parsed = [orjson.loads(body) for body in bodies(events, rows)]
        assert {body["userId"] for body in parsed} == {key for key in ids if key.strip()}
        assert {body["event"] for body in parsed} <= {f"e{name}"}

    def test_a_group_message(self, lab: Lab) -> None:
        rows = pa.table({"group_id": ["g 1"], "user_id": ["u1"], "total billed": [830.0], "plan": ["pro"]})
        assert bodies(sync_of(lab, "groups"), rows, None) == [
            '{"type":"group","groupId":"g 1","userId":"u1","traits":{"total billed":830,"plan":"pro"}}']

    def test_a_track_message_has_its_time_in_whole_seconds(self, lab: Lab) -> None:
        rows = pa.table({"event_id": ["e"], "user_id": ["u"], "event": ["Upgraded plan"], "seats": [5], "note": ["x"],
                         "timestamp": [NOON.replace(microsecond=999_999)]})
        assert bodies(sync_of(lab, "events", "omit: [note]"), rows, None) == [
            '{"type":"track","userId":"u","event":"Upgraded plan","properties":{"seats":5},'
            '"timestamp":"2026-11-05T12:00:00Z"}']

    def test_a_user_of_nulls_has_no_message_and_a_group_of_nulls_has_members(self, lab: Lab, users: Sync) -> None:
        nulls = {"user_id": ["u"], "plan": pa.array([None], pa.string()), "seats": pa.nulls(1)}
        assert bodies(users, pa.table(nulls), None) == []
        assert bodies(sync_of(lab, "groups"), pa.table({"group_id": ["g"], **nulls}), None) == [
            '{"type":"group","groupId":"g","userId":"u"}']

    def test_events_go_in_the_order_in_which_they_happened(self, lab: Lab) -> None:
        rows = pa.table({"event_id": ["a", "b", "c"], "user_id": ["u"] * 3, "event": ["3", "1", "2"],
                         "timestamp": [NOON + dt.timedelta(hours=h) for h in (3, 1, 2)]})
        assert [orjson.loads(body)["event"] for body in bodies(sync_of(lab, "events"), rows)] == ["1", "2", "3"]


class TestMessageId:
    def test_it_is_the_uuid5_of_workspace_sync_key_and_content(self, users: Sync) -> None:
        rows = pa.table({"user_id": [f"ü{i}" for i in range(50)], "plan": ["a\"b"] * 50})
        for body in bodies(users, rows):
            message = orjson.loads(body)
            bare = body.split(',"messageId"')[0]
            name = f"{IDENTITY.name}\n{message['userId']}\n{bare}"
            assert uuid.UUID(message["messageId"]) == uuid.uuid5(IDENTITY.namespace, name)

    def test_it_differs_by_snapshot_version_and_by_value_only(self, users: Sync) -> None:
        def message_id(plan: str, identity: Identity = IDENTITY) -> str:
            (body,) = bodies(users, pa.table({"user_id": ["u"], "plan": [plan]}), identity)
            return str(orjson.loads(body)["messageId"])

        assert message_id("a") == message_id("a")
        assert message_id("a") != message_id("b")
        assert message_id("a") != message_id("a", Identity(IDENTITY.namespace, "users/model\n\n4"))

    def test_it_can_be_left_out(self, users: Sync) -> None:
        (body,) = bodies(users, pa.table({"user_id": ["u"], "plan": ["a"]}), None)
        assert "messageId" not in body


class TestSize:
    def test_a_message_over_32_kb_is_set_aside_and_the_others_go(
            self, users: Sync, connection: duckdb.DuckDBPyConnection) -> None:
        frame = len('{"type":"identify","userId":"u1","traits":{"note":""}}')
        fits = "é" * ((LARGEST_MESSAGE - frame) // 2)
        rows = pa.table({"user_id": ["u1", "u2", "u3"], "note": [fits, fits + "éé", "x"]})
        _build(connection, users, rows, None)
        sent = connection.execute("SELECT key FROM changes WHERE message IN (SELECT message FROM outgoing)").fetchall()
        assert sorted(sent) == [("u1",), ("u3",)]
        aside = connection.execute("SELECT key, reason FROM result WHERE reason IS NOT NULL").fetchall()
        assert aside == [("u2", MESSAGE_TOO_LARGE)]


def _types(messages: list[dict[str, Any]]) -> list[list[type]]:
    return [[type(value) for value in message["traits"].values()] for message in messages]
