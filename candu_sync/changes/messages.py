"""A change → the bytes of its identify, group or track message, built as text in the engine, while they are sent.

    {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}, "messageId": "…"}
    {"type": "group", "groupId": "g1", "userId": "u1", "traits": {"total billed": 830}, "messageId": "…"}
    {"type": "track", "userId": "u1", "event": "Upgraded plan", "properties": {…}, "timestamp": "…Z", "messageId": "…"}

Candu's docs, "Identify", "Group", "Track". identify and group carry no timestamp: Candu uses its own clock, and the
message has the values of now. ``messageId`` is a UUIDv5 (RFC 9562, 5.5) of the workspace, the sync, the row's key and
the content. For users and groups it is also of the snapshot's version: a trait that goes a → b → a is sent three times,
and the third message must not look like a repeat of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.changes.pieces import ANY, Carried, concat, json_text, members, uuid_pieces
from candu_sync.diff import iso_text
from candu_sync.embedded import literal
from candu_sync.rows import Trait, ValueKind

# A character of a text takes six bytes of JSON at most: \u001f. Values of other kinds take less than so many.
_LONGEST_CHARACTER = 6

_LONGEST_VALUE = 40

# Braces, names and the id around the values.
_FRAME = 200

# Batches that become messages in one query, at most, and the bytes of these rows.
TOGETHER = 4
TOGETHER_BYTES = 64_000_000


@dataclass(frozen=True)
class Identity:
    """What makes a messageId: the workspace's namespace, and the name of the sync, partition and version."""

    namespace: UUID
    name: str


def identity_of(namespace: UUID, sync: str, kind: str, partition: str | None, version: int) -> Identity:
    """The identity of a sync's messages; for users and groups the snapshot's version is part of it.

    Example:
        >>> from uuid import UUID
        >>> identity_of(UUID(int=0), "users/profile", "users", None, 3).name
        'users/profile\\n\\n3'
    """
    return Identity(namespace, f"{sync}\n{partition or ''}" + ("" if kind == "events" else f"\n{version}"))


@dataclass(frozen=True)
class Encoding:
    """How rows become messages.

    A row has the columns ``message``, ``key``, ``user_id``, ``group_id`` (groups), ``event`` and ``occurred`` (events),
    the values ``t0`` … of ``traits``, and a flag ``c0`` … for each of their names: whether the message carries it.

    Example:
        >>> encoding = Encoding("users", (Trait("plan", ValueKind.TEXT),))
        >>> row = "(SELECT 0 AS message, 'u1' AS key, 'u1' AS user_id, 'pro' AS t0, true AS c0)"
        >>> duckdb.sql(encoding.messages(row)).fetchall()
        [(0, '{"type":"identify","userId":"u1","traits":{"plan":"pro"}}')]

    Attributes:
        kind: users, groups or events.
        traits: names and kinds; a name may appear once for each kind.
        identity: of the messageId; None: messages carry none.
    """

    kind: str
    traits: tuple[Trait, ...]
    identity: Identity | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The n-th is carried where the flag ``c<n>`` is true."""
        return tuple(dict.fromkeys(trait.name for trait in self.traits))

    def content_hash(self) -> str:
        """SQL of a hash of a row's message without its messageId: it changes when a refused row changes."""
        return f"md5({concat(self._bare(ANY))})"

    def messages(self, rows: str, carried: Carried = ANY, *, after: str = "") -> str:
        """The query of the columns ``message``, ``body`` and, where messages carry a messageId, its 16 bytes as
        ``digest``, of some rows (a relation).

        Args:
            carried: which traits the rows carry.
            after: a text that stands after each body.
        """
        if self.identity is None:
            return f"""
            SELECT message, {concat([*self._bare(carried), literal("}" + after)])} AS body
            FROM {rows}"""
        body = ["bare", literal(',"messageId":"'), *uuid_pieces("sha1"), literal('"}' + after)]
        return f"""
            SELECT
                message,
                {concat(body)} AS body,
                unhex(substr(sha1, 1, 32)) AS digest
            FROM (
                SELECT *, {_digest(self.identity)} AS sha1
                FROM (
                    SELECT message, key, {concat(self._bare(carried))} AS bare
                    FROM {rows}
                )
            )"""

    def _bare(self, carried: Carried) -> list[str]:
        """SQL of the parts of a row's message without its messageId and closing brace."""
        values, user = members(list(map(self._pair, self.names)), carried), "to_json(user_id)"
        if self.kind == "users":
            return [literal('{"type":"identify","userId":'), user, literal(',"traits":{'), *values, literal("}")]
        if self.kind == "groups":
            return [literal('{"type":"group","groupId":'), "to_json(group_id)", literal(',"userId":'), user,
                    *_group_traits(values, carried)]
        return [literal('{"type":"track","userId":'), user, literal(',"event":'), "to_json(event)",
                literal(',"properties":{'), *values, literal('},"timestamp":"'),
                iso_text("date_trunc('second', occurred)"), literal('"')]

    def most_bytes(self) -> str:
        """SQL: bytes that a row's message takes at most."""
        lengths = "".join(f" + coalesce(strlen({column}), 0)" for column in self._texts)
        return f"{self._fixed} + {_LONGEST_CHARACTER} * (0{lengths})"

    def most_bytes_of(self, rows: pa.RecordBatch) -> int:
        """Bytes that a message of some rows takes at most. It may be of several rows, of each the longest text."""
        longest = (pc.max(pc.binary_length(rows.column(column))).as_py() or 0 for column in self._texts)
        return self._fixed + _LONGEST_CHARACTER * sum(longest)

    @property
    def _texts(self) -> list[str]:
        """The columns that are as long as their texts."""
        ids = {"users": ["user_id"], "groups": ["user_id", "group_id"], "events": ["user_id", "event"]}[self.kind]
        return [*ids, *(f"t{i}" for i, trait in enumerate(self.traits) if trait.kind is ValueKind.TEXT)]

    @property
    def _fixed(self) -> int:
        """Bytes of all else in a message, at most."""
        return _FRAME + sum(len(orjson.dumps(name)) + 2 + _LONGEST_VALUE for name in self.names)

    def _pair(self, name: str) -> tuple[str, str]:
        """A name with its colon, JSON, and SQL of its value as JSON, or of a null."""
        values = [json_text(f"t{i}", trait.kind) for i, trait in enumerate(self.traits) if trait.name == name]
        return orjson.dumps(name).decode() + ":", ", ".join(values)


def encode(connection: duckdb.DuckDBPyConnection, encoding: Encoding,
           rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The messages of batches of rows, in their order: message int64, body string with a comma after it, as in an
    array, and digest binary (see ``Encoding.messages``)."""
    for batches in together(rows):
        # One table of several batches: the engine has a thread for each of them.
        connection.register("rows_to_encode", pa.Table.from_batches(batches))
        carried = Carried.by(batches, len(encoding.names))
        yield from connection.sql(encoding.messages("rows_to_encode", carried, after=",")).to_arrow_table().to_batches()


def together(rows: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches that become messages in one query."""
    found: list[pa.RecordBatch] = []
    for batch in rows:
        if found and (len(found) == TOGETHER or sum(one.nbytes for one in found) + batch.nbytes > TOGETHER_BYTES):
            yield found
            found = []
        found.append(batch)
    if found:
        yield found


def _group_traits(values: list[str], carried: Carried) -> list[str]:
    """A membership is sent without `traits` while the group has none: a strict API may refuse an empty object."""
    if carried.by_all:
        return [literal(',"traits":{'), *values, literal("}")]
    return [f"""',"traits":{{' || nullif({value}, '') || '}}'""" for value in values]


def _digest(identity: Identity) -> str:
    """SQL of the SHA-1 of a message's namespace and name, in hexadecimal digits."""
    space = "".join(f"\\x{byte:02X}" for byte in identity.namespace.bytes)
    return f"sha1('{space}'::BLOB || encode({concat([literal(identity.name + chr(10)), 'key', 'chr(10)', 'bare'])}))"
