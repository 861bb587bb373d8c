"""What the simulator holds, in SQLite: users, groups, members, messages, warnings, the request log.

Users are those that an identify named; a group message adds to the group and its members, a track to the messages.
A repeated messageId is counted and stored like any other, unless the assumptions say otherwise. Segment drops repeats
(``repeats.py``).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson

from candu_sync.simulator.assumptions import Assumed
from candu_sync.simulator.contract import Batch, Message
from candu_sync.simulator.repeats import SCHEMA, first_time

# How a message reached Candu: by its REST API, by Segment, or from its script in a browser.
Way = Literal["api", "segment", "browser"]
WAYS: tuple[Way, ...] = ("api", "segment", "browser")

# Enough for the page and for a person who looks back; older bodies are in the messages table.
KEPT_BODIES = 200
KEPT_BODY_BYTES = 16_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    user_id TEXT PRIMARY KEY, traits TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS user_ways (
    user_id TEXT NOT NULL, way TEXT NOT NULL, traits TEXT NOT NULL, last_seen TEXT NOT NULL,
    PRIMARY KEY (user_id, way)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups (
    group_id TEXT PRIMARY KEY, traits TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (
    group_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (group_id, user_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER,
    messages INTEGER NOT NULL, bytes INTEGER NOT NULL, fault TEXT, error TEXT);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, request_id INTEGER NOT NULL, at TEXT NOT NULL, type TEXT NOT NULL, user_id TEXT,
    group_id TEXT, event TEXT, message_id TEXT, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS messages_track ON messages (id) WHERE type = 'track';
CREATE TABLE IF NOT EXISTS message_ids (message_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trait_types (
    kind TEXT NOT NULL, trait TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (kind, trait));
CREATE TABLE IF NOT EXISTS warnings (
    kind TEXT NOT NULL, trait TEXT NOT NULL, was TEXT NOT NULL, became TEXT NOT NULL, times INTEGER NOT NULL,
    first_request INTEGER NOT NULL, last_at TEXT NOT NULL, PRIMARY KEY (kind, trait, was, became));
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
"""
_TABLES = ["users", "user_ways", "groups", "members", "requests", "messages", "message_ids", "segment_ids",
           "trait_types", "warnings", "counts"]
_JSON_TYPES = {str: "string", int: "number", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the request log. ``status`` None: closed without an answer. ``bytes`` is the body's size."""

    method: str
    path: str
    status: int | None
    messages: int
    bytes: int
    fault: str | None = None
    error: str | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The tables, in the file ``database`` or in memory. ``log`` False keeps states and counts only: no messages, no
    events, no ways, and only the last requests. Safe to use from several threads. OSError when the file cannot be
    used."""

    def __init__(self, database: Path | None = None, *, log: bool = True,
                 clock: Callable[[], datetime] = _utc_now, assumed: Assumed | None = None) -> None:
        self.lock = threading.RLock()
        self.db = _connect(database)
        self.bodies: deque[tuple[int, bytes]] = deque()
        self.resets = 0
        self._body_bytes = 0
        self._log = log
        self._clock = clock
        self._assumed = Assumed() if assumed is None else assumed
        self._types = {(row[0], row[1]): row[2] for row in self.db.execute("SELECT * FROM trait_types")}
        self._last_request: int = self.db.execute("SELECT coalesce(max(id), 0) FROM requests").fetchone()[0]

    def close(self) -> None:
        """Closes the database; a file stays readable by any SQLite."""
        with self.lock:
            self.db.close()

    def reset(self) -> None:
        """Forgets everything that arrived."""
        with self.lock, self.db:
            for table in _TABLES:
                self.db.execute(f"DELETE FROM {table}")
            self.resets += 1
            self.bodies.clear()
            self._types.clear()
            self._body_bytes = self._last_request = 0

    def forget(self, user_id: str) -> int:
        """Removes a user, and rewrites the file so that nothing of them is left in it. Returns the rows."""
        with self.lock:
            with self.db:
                for table in ("message_ids", "segment_ids"):
                    self.db.execute(f"DELETE FROM {table} WHERE message_id IN "
                                    "(SELECT message_id FROM messages WHERE user_id = ?)", (user_id,))
                self.db.execute("DELETE FROM user_ways WHERE user_id = ?", (user_id,))
                removed = sum(self.db.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,)).rowcount
                              for table in ("users", "members", "messages"))
                self.db.execute("UPDATE requests SET error = NULL WHERE instr(error, ?)", (user_id,))
            self.bodies.clear()
            self._body_bytes = 0
            self.db.execute("VACUUM")
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return removed

    def record(self, entry: Entry, body: bytes, batches: Sequence[Batch] = (), way: Way = "api",
               counts: Mapping[str, int] | None = None) -> None:
        """One request, and in the same transaction the messages that were accepted with it.

        Args:
            entry: the line of the request log.
            body: of the request.
            batches: the accepted messages, by the ``way`` that they came.
            counts: by name, added to the counts.
        """
        now = self._clock()
        at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self.lock, self.db:
            self._last_request += 1
            self._add_request(entry, at)
            self._keep_body(body)
            added = Counter({f"requests.{entry.status or 'closed'}": 1, "bytes": entry.bytes, **(counts or {})})
            if way == "segment":
                batches = self._first_time(batches, now, added)
            for batch in batches:
                added += self._accept(batch if way == "browser" else self._stored(batch), way, at)
            self.db.executemany(
                "INSERT INTO counts VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", added.items()
            )

    def _stored(self, batch: Batch) -> Batch:
        """What Candu keeps of a batch, as is assumed."""
        assumed = self._assumed.now
        if assumed.message_ids == "once":
            seen: set[str] = set()
            new = [n for n, message in enumerate(batch.messages) if not self._knows(message.get("messageId"), seen)]
            batch = Batch(batch.type, [batch.messages[n] for n in new], [batch.payloads[n] for n in new])
        return assumed.stored(batch, self._clock())

    def _knows(self, message_id: str | None, seen: set[str]) -> bool:
        """Whether a messageId is stored, or among those of this request, which get it."""
        if message_id is None:
            return False
        known = message_id in seen or self.db.execute(
            "SELECT 1 FROM message_ids WHERE message_id = ?", (message_id,)).fetchone() is not None
        seen.add(message_id)
        return known

    def _first_time(self, batches: Sequence[Batch], now: datetime, counts: Counter[str]) -> list[Batch]:
        kept = first_time(self.db, batches, now)
        repeated = sum(map(len, batches)) - sum(map(len, kept))
        counts.update({"segment.passed_on": -repeated, "segment.repeated": repeated})
        return kept

    def _add_request(self, entry: Entry, at: str) -> None:
        self.db.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self._last_request, at, entry.method, entry.path, entry.status, entry.messages, entry.bytes,
             entry.fault, entry.error),
        )  # fmt: skip
        if not self._log:
            self.db.execute("DELETE FROM requests WHERE id <= ?", (self._last_request - KEPT_BODIES,))

    def _keep_body(self, body: bytes) -> None:
        self.bodies.append((self._last_request, body))
        self._body_bytes += len(body)
        while len(self.bodies) > KEPT_BODIES or self._body_bytes > KEPT_BODY_BYTES:
            self._body_bytes -= len(self.bodies.popleft()[1])

    def _accept(self, batch: Batch, way: Way, at: str) -> Counter[str]:
        if batch.type == "identify":
            self._merge("users", "user_id", "userId", batch.messages, at)
            if self._log:
                self._merge_way(way, batch.messages, at)
        elif batch.type == "group":
            self._merge("groups", "group_id", "groupId", batch.messages, at)
            pairs = [(message["groupId"], message["userId"]) for message in batch.messages]
            self.db.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", pairs)
        self._note_types(batch, at)
        if self._log:
            self._log_messages(batch, at)
        return Counter({f"messages.{batch.type}": len(batch), "repeated_message_ids": self._note_ids(batch)})

    def _merge(self, table: str, column: str, field: str, messages: list[Message], at: str) -> None:
        ids = list({message[field] for message in messages})
        marks = ", ".join("?" * len(ids))
        known = self.db.execute(f"SELECT {column}, traits FROM {table} WHERE {column} IN ({marks})", ids)
        merged: dict[str, Message] = {row[0]: orjson.loads(row[1]) for row in known}
        for message in messages:
            merged.setdefault(message[field], {}).update(message.get("traits", {}))
        if self._assumed.now.nulls == "removed":
            merged = {key: {name: value for name, value in traits.items() if value is not None}
                      for key, traits in merged.items()}
        self.db.executemany(
            f"INSERT INTO {table} VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET traits = excluded.traits, last_seen = excluded.last_seen",
            [(key, orjson.dumps(traits).decode(), at, at) for key, traits in merged.items()],
        )

    def _merge_way(self, way: Way, messages: list[Message], at: str) -> None:
        """The traits of each user by the way that they came: one way may send other values than another."""
        merged: dict[str, Message] = {}
        for message in messages:
            user_id = message["userId"]
            if user_id not in merged:
                known = self.db.execute("SELECT traits FROM user_ways WHERE user_id = ? AND way = ?", (user_id, way))
                merged[user_id] = orjson.loads((known.fetchone() or ("{}",))[0])
            merged[user_id].update(message["traits"])
        self.db.executemany("INSERT OR REPLACE INTO user_ways VALUES (?, ?, ?, ?)",
                            [(key, way, orjson.dumps(traits).decode(), at) for key, traits in merged.items()])

    def _note_types(self, batch: Batch, at: str) -> None:
        if batch.type == "track":
            return
        for message in batch.messages:
            for trait, value in message.get("traits", {}).items():
                if value is None:
                    continue
                became = _JSON_TYPES[type(value)]
                was = self._types.get((batch.type, trait))
                if was is None:
                    self._types[batch.type, trait] = became
                    self.db.execute("INSERT INTO trait_types VALUES (?, ?, ?)", (batch.type, trait, became))
                elif was != became:
                    self._warn(batch.type, trait, was, became, at)

    def _warn(self, kind: str, trait: str, was: str, became: str, at: str) -> None:
        self.db.execute(
            "INSERT INTO warnings VALUES (?, ?, ?, ?, 1, ?, ?) ON CONFLICT DO UPDATE "
            "SET times = times + 1, last_at = excluded.last_at",
            (kind, trait, was, became, self._last_request, at),
        )

    def _note_ids(self, batch: Batch) -> int:
        ids = [(message["messageId"],) for message in batch.messages if "messageId" in message]
        added = self.db.executemany("INSERT OR IGNORE INTO message_ids VALUES (?)", ids).rowcount if ids else 0
        return len(ids) - added

    def _log_messages(self, batch: Batch, at: str) -> None:
        self.db.executemany(
            "INSERT INTO messages (request_id, at, type, user_id, group_id, event, message_id, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (self._last_request, at, batch.type, message.get("userId"), message.get("groupId"),
                 message.get("event"), message.get("messageId"), payload.decode())
                for message, payload in zip(batch.messages, batch.payloads, strict=True)
            ],
        )  # fmt: skip


def _connect(database: Path | None) -> sqlite3.Connection:
    try:
        if database is not None:
            database.touch(mode=0o600)  # what arrives is personal data
        db = sqlite3.connect(database or ":memory:", check_same_thread=False)
        # A simulator may lose its last second in a power cut. It must not be the slow part of a test.
        db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_SCHEMA} {SCHEMA}")
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OSError(f"The simulator cannot keep its data in {database}: {reason}") from error
    db.row_factory = sqlite3.Row
    return db
