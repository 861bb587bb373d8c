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

from candu_sync.diff import iso_text
from candu_sync.embedded import literal
from candu_sync.rows import Trait, ValueKind

# A character of a text takes six bytes of JSON at most: \u001f. Values of other kinds take less than so many.
_LONGEST_CHARACTER = 6

_LONGEST_VALUE = 40

# Braces, names and the id around the values.
_FRAME = 200


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

    def bare(self) -> str:
        """A row's message without its messageId and closing brace, SQL."""
        pairs = ", ".join(self._pair(n, name) for n, name in enumerate(self.names)) or "NULL"
        values, user = f"concat_ws(',', {pairs})", "to_json(user_id)"
        if self.kind == "users":
            return f"""'{{"type":"identify","userId":' || {user} || ',"traits":{{' || {values} || '}}'"""
        if self.kind == "groups":
            # A membership is sent without `traits` while the group has none: a strict API may refuse an empty object.
            traits = f"""coalesce(',"traits":{{' || nullif({values}, '') || '}}', '')"""
            return (f"""'{{"type":"group","groupId":' || to_json(group_id) || ',"userId":' || {user} """
                    f"""|| {traits}""")
        return (f"""'{{"type":"track","userId":' || {user} || ',"event":' || to_json(event) """
                f"""|| ',"properties":{{' || {values} || '}},"timestamp":"' """
                f"""|| {iso_text("date_trunc('second', occurred)")} || '"'""")

    def content_hash(self) -> str:
        """SQL of a hash of a row's message without its messageId: it changes when a refused row changes."""
        return f"md5({self.bare()})"

    def messages(self, rows: str) -> str:
        """The query of the columns ``message``, ``body`` and, where messages carry a messageId, its 16 bytes as
        ``digest``, of some rows (a relation)."""
        bare = f"""
            SELECT message, key, {self.bare()} AS bare
            FROM {rows}"""
        if self.identity is None:
            return f"""
            SELECT message, bare || '}}' AS body
            FROM ({bare}
            )"""
        return f"""
            SELECT
                message,
                bare || ',"messageId":"' || {uuid_text("sha1")} || '"}}' AS body,
                unhex(substr(sha1, 1, 32)) AS digest
            FROM (
                SELECT *, {_digest(self.identity)} AS sha1
                FROM ({bare}
                )
            )"""

    def most_bytes(self) -> str:
        """SQL: bytes that a row's message takes at most."""
        ids = {"users": ["user_id"], "groups": ["user_id", "group_id"], "events": ["user_id", "event"]}[self.kind]
        texts = [f"t{i}" for i, trait in enumerate(self.traits) if trait.kind is ValueKind.TEXT]
        fixed = _FRAME + sum(len(orjson.dumps(name)) + 2 + _LONGEST_VALUE for name in self.names)
        lengths = "".join(f" + coalesce(strlen({column}), 0)" for column in (*ids, *texts))
        return f"{fixed} + {_LONGEST_CHARACTER} * (0{lengths})"

    def _pair(self, n: int, name: str) -> str:
        values = ", ".join(json_text(f"t{i}", trait.kind) for i, trait in enumerate(self.traits) if trait.name == name)
        return f"CASE WHEN c{n} THEN {literal(orjson.dumps(name).decode() + ':')} || coalesce({values}, 'null') END"


def encode(connection: duckdb.DuckDBPyConnection, encoding: Encoding,
           rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The messages of batches of rows, in their order: message int64, body string with a comma after it, as in an
    array, and digest binary (see ``Encoding.messages``)."""
    for batch in rows:
        connection.register("rows_to_encode", batch)
        messages = connection.sql(f"""
            SELECT * REPLACE (body || ',' AS body)
            FROM ({encoding.messages('rows_to_encode')}
            )""")
        yield from messages.to_arrow_table().to_batches()


def json_text(column: str, kind: ValueKind) -> str:
    """SQL of a value's JSON text. A whole number is written without a fraction: 5, not 5.0. All others are written as
    the shortest text that reads back to the same double, as DuckDB does."""
    if kind is ValueKind.TEXT:
        return f"to_json({column})::VARCHAR"
    if kind is ValueKind.BOOLEAN:
        return f"{column}::VARCHAR"
    if kind is ValueKind.INSTANT:
        return f"""'"' || {iso_text(column)} || '"'"""
    whole = f"{column} = trunc({column}) AND abs({column}) <= 9007199254740992"
    return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"


def _digest(identity: Identity) -> str:
    """SQL of the SHA-1 of a message's namespace and name, in hexadecimal digits."""
    space = "".join(f"\\x{byte:02X}" for byte in identity.namespace.bytes)
    name = " || chr(10) || ".join(literal(part) for part in identity.name.split("\n"))
    return f"sha1('{space}'::BLOB || encode({name} || chr(10) || key || chr(10) || bare))"


def uuid_text(digest: str) -> str:
    """SQL of a digest cut and marked as a UUID of version 5, as RFC 9562 says."""
    variant = f"substr('89ab', 1 + ((strpos('0123456789abcdef', substr({digest}, 17, 1)) - 1) % 4), 1)"
    return (f"substr({digest}, 1, 8) || '-' || substr({digest}, 9, 4) || '-5' || substr({digest}, 14, 3) || '-' || "
            f"{variant} || substr({digest}, 18, 3) || '-' || substr({digest}, 21, 12)")
