"""Looking at what the simulator holds, as plain dicts that are ready for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import orjson

from candu_sync.simulator.store import WAYS, Store

Row = dict[str, Any]

_KEYS = {"users": "user_id", "groups": "group_id"}


class Reading:
    """Queries on a Store. A ``limit`` of -1 means all rows. ``search`` finds text in ids, names and values."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def users(self, limit: int = -1, offset: int = 0, search: str = "") -> tuple[int, list[Row]]:
        """How many users fit ``search``, and one page of them by id: user_id, traits, first_seen, last_seen, and the
        ``ways`` by which identify calls for them came."""
        total, users = self._page("users", limit, offset, search)
        ways = self._ways([user["user_id"] for user in users])
        return total, [user | {"ways": ways[user["user_id"]]} for user in users]

    def _ways(self, user_ids: list[str]) -> dict[str, list[str]]:
        marks = ", ".join("?" * len(user_ids))
        rows = self._rows(f"SELECT user_id, way FROM user_ways WHERE user_id IN ({marks})", user_ids)
        known = {(row["user_id"], row["way"]) for row in rows}
        return {user_id: [way for way in WAYS if (user_id, way) in known] for user_id in user_ids}

    def user(self, user_id: str) -> Row | None:
        """One user as in ``users``, with the ``groups`` it is a member of, and its traits as each way sent them under
        ``sent``; None when no identify named it."""
        rows = self._rows("SELECT * FROM users WHERE user_id = ?", (user_id,))
        if not rows:
            return None
        groups = self._rows("SELECT group_id FROM members WHERE user_id = ? ORDER BY group_id", (user_id,))
        sent = self._rows("SELECT way, traits, last_seen FROM user_ways WHERE user_id = ? ORDER BY way", (user_id,))
        by_way = {row.pop("way"): _decoded(row, "traits") for row in sent}
        return _decoded(rows[0], "traits") | {"groups": [row["group_id"] for row in groups], "sent": by_way}

    def traits(self, table: Literal["users", "groups"]) -> dict[str, Row]:
        """Traits by id, of all users or groups."""
        rows = self._rows(f"SELECT {_KEYS[table]} AS id, traits FROM {table}")
        return {row["id"]: orjson.loads(row["traits"]) for row in rows}

    def groups(self, limit: int = -1, offset: int = 0, search: str = "", members: int = -1) -> tuple[int, list[Row]]:
        """How many groups fit ``search``, and one page of them by id: group_id, traits, first_seen, last_seen,
        member_count and the first ``members`` of its members' ids."""
        total, groups = self._page("groups", limit, offset, search)
        for group in groups:
            group_id = group["group_id"]
            listed = self._rows(
                "SELECT user_id FROM members WHERE group_id = ? ORDER BY user_id LIMIT ?", (group_id, members)
            )
            group["members"] = [row["user_id"] for row in listed]
            group["member_count"] = self._one("SELECT count(*) FROM members WHERE group_id = ?", (group_id,))
        return total, groups

    def members(self) -> set[tuple[str, str]]:
        """All memberships as (group_id, user_id)."""
        return {(row["group_id"], row["user_id"]) for row in self._rows("SELECT group_id, user_id FROM members")}

    def events(self, limit: int = -1, offset: int = 0) -> list[Row]:
        """Events, newest first: id (in order of arrival), at, user_id, event, properties, timestamp, message_id."""
        rows = self._rows(
            "SELECT id, at, user_id, event, message_id, payload FROM messages WHERE type = 'track' "
            "ORDER BY id DESC LIMIT ? OFFSET ?",
            (limit, offset),
        )
        return [_event(row) for row in rows]

    def messages(self, limit: int = -1, offset: int = 0) -> list[Row]:
        """Accepted messages, newest first: id, request_id, at, type, user_id, group_id, event, message_id, payload."""
        rows = self._rows("SELECT * FROM messages ORDER BY id DESC LIMIT ? OFFSET ?", (limit, offset))
        return [_decoded(row, "payload") for row in rows]

    def requests(self, limit: int = -1, offset: int = 0, *, bodies: bool = True) -> list[Row]:
        """The request log, newest first: id, at, method, path, status (None: closed without an answer), messages,
        bytes, fault, error; ``body`` as text, None where it is no longer kept. The last one's is put together again
        from its messages, after a restart on the same file."""
        with self._store.lock:
            rows = self._rows("SELECT * FROM requests ORDER BY id DESC LIMIT ? OFFSET ?", (limit, offset))
            kept = dict(self._store.bodies) if bodies else {}
        if bodies:
            for row in rows:
                body = kept.get(row["id"])
                row["body"] = None if body is None else body.decode("utf-8", "replace")
        if bodies and rows and rows[0]["body"] is None and not offset:
            rows[0]["body"] = self._told(rows[0]["id"])
        return rows

    def _told(self, request_id: int) -> str | None:
        """The messages that were accepted with a request, as their JSON array; None: there are none."""
        rows = self._rows("SELECT payload FROM messages WHERE request_id = ? ORDER BY id", (request_id,))
        payloads = (row["payload"] for row in rows)
        texts = [p.decode() if isinstance(p, bytes) else p for p in payloads]
        return f"[{','.join(texts)}]" if texts else None

    def warnings(self) -> list[Row]:
        """Traits that changed their type: kind, trait, was, became, times, first_request, last_at."""
        return self._rows("SELECT * FROM warnings ORDER BY last_at DESC, kind, trait")

    def stats(self) -> Row:
        """Counts: requests by status ("closed": no answer), messages by type, bytes, users, groups, members,
        events, repeated_message_ids, warnings with their number under ``warning_count``, and of Segment's API the
        messages that were passed_on to Candu, dropped, and repeated (a known messageId), of the browser's script those
        that were taken, and identify calls that were unsigned."""
        with self._store.lock:
            counts = {row["name"]: row["n"] for row in self._rows("SELECT * FROM counts")}
            sizes = {table: self._one(f"SELECT count(*) FROM {table}") for table in ("users", "groups", "members")}
            warnings = self.warnings()
        return {
            "requests": _under("requests.", counts),
            "messages": {"identify": 0, "group": 0, "track": 0} | _under("messages.", counts),
            "bytes": counts.get("bytes", 0),
            **sizes,
            "events": counts.get("messages.track", 0),
            "browser": {"taken": 0, "unsigned": 0} | _under("browser.", counts),
            "segment": {"passed_on": 0, "dropped": 0, "repeated": 0} | _under("segment.", counts),
            "repeated_message_ids": counts.get("repeated_message_ids", 0),
            "warning_count": sum(warning["times"] for warning in warnings),
            "warnings": warnings,
        }

    def _page(self, table: str, limit: int, offset: int, search: str) -> tuple[int, list[Row]]:
        key, where, words = _KEYS[table], "", []
        if search:
            where = f"WHERE instr(lower({key}), lower(?)) OR instr(lower(traits), lower(?))"
            words = [search] * 2
        with self._store.lock:
            total = self._one(f"SELECT count(*) FROM {table} {where}", words)
            rows = self._rows(
                f"SELECT * FROM {table} {where} ORDER BY {key} LIMIT ? OFFSET ?", [*words, limit, offset]
            )
        return total, [_decoded(row, "traits") for row in rows]

    def _rows(self, query: str, values: Iterable[object] = ()) -> list[Row]:
        with self._store.lock:
            return [dict(row) for row in self._store.db.execute(query, tuple(values))]

    def _one(self, query: str, values: Iterable[object] = ()) -> int:
        with self._store.lock:
            return int(self._store.db.execute(query, tuple(values)).fetchone()[0])


def _decoded(row: Row, column: str) -> Row:
    return row | {column: orjson.loads(row[column])}


def _event(row: Row) -> Row:
    payload = orjson.loads(row.pop("payload"))
    return row | {"properties": payload.get("properties", {}), "timestamp": payload.get("timestamp")}


def _under(prefix: str, counts: dict[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in sorted(counts.items()) if name.startswith(prefix)}
