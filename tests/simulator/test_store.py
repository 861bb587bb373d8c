"""What is kept outlives the process in a file, and stays bounded in memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
import pytest

from candu_sync.simulator.contract import parse
from candu_sync.simulator.reading import Reading
from candu_sync.simulator.store import KEPT_BODIES, KEPT_BODY_BYTES, Entry, Store, Way


def put(store: Store, *messages: dict[str, object], body: bytes | None = None, way: Way = "api") -> None:
    raw = orjson.dumps(messages)
    batch = parse("application/json", raw, len(raw))
    store.record(Entry(method="POST", path="/api/eventWebhook", status=200, messages=len(batch),
                       bytes=len(raw)), raw if body is None else body, [batch], way)


def identify(user_id: str, **traits: object) -> dict[str, object]:
    return {"type": "identify", "userId": user_id, "traits": traits, "messageId": f"m-{user_id}"}


def test_a_file_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    database = tmp_path / "candu.db"
    first = Store(database)
    put(first, identify("u1", seats=1, plan="free"))
    first.close()
    assert database.stat().st_mode & 0o077 == 0

    again = Store(database)
    put(again, identify("u1", seats="two"))
    reading = Reading(again)
    assert reading.traits("users") == {"u1": {"seats": "two", "plan": "free"}}
    assert [request["id"] for request in reading.requests()] == [2, 1]
    assert reading.requests()[1]["body"] is None
    assert (reading.stats()["warning_count"], reading.stats()["repeated_message_ids"]) == (1, 1)
    again.close()
    with sqlite3.connect(database) as plain:
        assert plain.execute("SELECT count(*) FROM messages").fetchone() == (2,)


def test_of_a_person_who_is_forgotten_no_byte_is_left_in_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "candu.db")
    put(store, identify("person-17", plan="pro"), identify("u2", plan="free"))
    put(store, *({"type": "group", "groupId": "g1", "userId": user} for user in ("person-17", "u2")))
    put(store, identify("person-17", plan="team") | {"messageId": "s-person-17"}, way="segment")
    assert store.forget("person-17") == 5
    reading = Reading(store)
    assert reading.traits("users") == {"u2": {"plan": "free"}}
    assert [message["payload"].get("userId") for message in reading.messages()] == ["u2", "u2"]
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert [b"person-17" in data for data in files] == [False] * len(files)
    assert any(b"u2" in data for data in files)
    assert store.forget("person-17") == 0
    store.close()


def test_only_the_last_bodies_are_kept() -> None:
    store = Store()
    for n in range(KEPT_BODIES + 5):
        put(store, identify(f"u{n}", n=n))
    assert [r["body"] is None for r in Reading(store).requests()].count(True) == 5
    large = b" " * (KEPT_BODY_BYTES // 4)
    for _ in range(6):
        put(store, identify("u1", n=1), body=large)
    assert len(store.bodies) == 4


def test_without_a_log_states_and_counts_remain() -> None:
    store = Store(log=False)
    for n in range(KEPT_BODIES + 5):
        put(store, identify("u1", n=n))
    put(store, {"type": "track", "userId": "u1", "event": "seen"})
    reading = Reading(store)
    assert reading.traits("users") == {"u1": {"n": KEPT_BODIES + 4}}
    assert (reading.messages(), reading.events(), len(reading.requests())) == ([], [], KEPT_BODIES)
    assert reading.stats()["messages"] == {"identify": KEPT_BODIES + 5, "group": 0, "track": 1}
    assert reading.stats()["requests"] == {"200": KEPT_BODIES + 6}


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and longer than a header" * 50)
    with pytest.raises(OSError, match=r"cannot keep its data in .*notes\.txt: file is not a database"):
        Store(tmp_path / "notes.txt")
    with pytest.raises(OSError, match=r"cannot keep its data in .*: No such file or directory"):
        Store(tmp_path / "missing" / "candu.db")


def test_the_last_request_is_shown_again_after_a_restart_on_its_file(tmp_path: Path) -> None:
    first = Store(tmp_path / "candu.db")
    put(first, identify("u1", plan="pro"), identify("u2", plan="free"))
    shown = Reading(first).requests()[0]["body"]
    first.close()
    again = Store(tmp_path / "candu.db")
    assert orjson.loads(Reading(again).requests()[0]["body"]) == orjson.loads(shown)
    again.close()
