"""A change → the bytes of its identify, group or track message, built as text in the engine.

    {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}, "messageId": "…"}
    {"type": "group", "groupId": "g1", "userId": "u1", "traits": {"total billed": 830}, "messageId": "…"}
    {"type": "track", "userId": "u1", "event": "Upgraded plan", "properties": {…}, "timestamp": "…Z", "messageId": "…"}

Candu's docs, "Identify", "Group", "Track". identify and group carry no timestamp: Candu takes its own clock, and what
we tell is how things stand now. ``messageId`` is a UUIDv5 (RFC 9562, 5.5) of the workspace, the sync, the row's key and
the content; for users and groups also of the snapshot's version, since a trait that goes a → b → a is told three times
and the third must not look like a repeat of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import duckdb
import orjson

from candu_sync.compare import Compared, iso_text
from candu_sync.diff import Diff
from candu_sync.engine import literal, scalar
from candu_sync.sync import Sync
from candu_sync.values import Kind

# 32 KB a message: the limit of Segment and Customer.io; Candu publishes none (candu-api, "What is not published").
LARGEST_MESSAGE = 32_000
TOO_LARGE = "message over 32 KB"


@dataclass(frozen=True)
class Identity:
    """What makes a messageId: the workspace's namespace, and the name of the sync, partition and version."""

    namespace: UUID
    name: str


def build_messages(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff, identity: Identity | None) -> None:
    """Make the table ``messages`` (message BIGINT, body VARCHAR, hash VARCHAR) from ``changes``, and set aside what is
    too large. ``hash`` is of the content without its messageId: it tells whether a refused row is still the same.

    Args:
        connection: as ``diff`` left it; a row whose message is too large moves from ``changes`` to the set-aside.
        identity: of the messageId; None: messages carry none.
    """
    body = "bare || '}'" if identity is None else _with_id(identity)
    connection.execute(
        f"CREATE TABLE messages AS SELECT message, {body} AS body, md5(bare) AS hash "
        f"FROM (SELECT message, key, {_body(sync, diff)} AS bare FROM ({_outgoing(sync, diff)}))")
    _set_large_aside(connection)


def _outgoing(sync: Sync, diff: Diff) -> str:
    """A row a message. The rows of a group agree on what changed, so their one message is any of them together."""
    if sync.kind != "groups":
        return "SELECT * FROM changes WHERE message IS NOT NULL"
    flags = [f"bool_or(c{n}) AS c{n}" for n in range(len(diff.compared))]
    values = [f"any_value(t{i}) FILTER ({_flag(diff, i)}) AS t{i}" for i in range(len(diff.traits))]
    columns = ", ".join(["message", "min(key) AS key", "min(user_id) AS user_id", "min(group_id) AS group_id",
                         *flags, *values])
    return f"SELECT {columns} FROM changes WHERE message IS NOT NULL GROUP BY message"


def _flag(diff: Diff, index: int) -> str:
    return next(f"c{n}" for n, c in enumerate(diff.compared) if index in c.columns)


def _body(sync: Sync, diff: Diff) -> str:
    pairs = ", ".join(_pair(n, c) for n, c in enumerate(diff.compared)) or "NULL"
    values = f"concat_ws(',', {pairs})"
    user = "to_json(user_id)"
    if sync.kind == "users":
        return f"""'{{"type":"identify","userId":' || {user} || ',"traits":{{' || {values} || '}}'"""
    if sync.kind == "groups":
        return (f"""'{{"type":"group","groupId":' || to_json(group_id) || ',"userId":' || {user} """
                f"""|| ',"traits":{{' || {values} || '}}'""")
    return (f"""'{{"type":"track","userId":' || {user} || ',"event":' || to_json(event) """
            f"""|| ',"properties":{{' || {values} || '}},"timestamp":"' """
            f"""|| {iso_text("date_trunc('second', occurred)")} || '"'""")


def _pair(n: int, compared: Compared) -> str:
    name = orjson.dumps(compared.name).decode()
    values = ", ".join(_json(f"t{i}", kind) for i, kind in compared.columns.items())
    return f"CASE WHEN c{n} THEN {literal(name + ':')} || coalesce({values}, 'null') END"


def _json(column: str, kind: Kind) -> str:
    """A value's JSON text. A whole number goes without a fraction: 5, not 5.0; all others as the shortest that reads
    back to the same double, which is how DuckDB writes them."""
    if kind is Kind.TEXT:
        return f"to_json({column})::VARCHAR"
    if kind is Kind.BOOLEAN:
        return f"{column}::VARCHAR"
    if kind is Kind.INSTANT:
        return f"""'"' || {iso_text(column)} || '"'"""
    whole = f"{column} = trunc({column}) AND abs({column}) <= 9007199254740992"
    return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"


def _with_id(identity: Identity) -> str:
    """The whole message with its messageId: SHA-1 of namespace and name, cut and marked as RFC 9562 says."""
    space = "".join(f"\\x{byte:02X}" for byte in identity.namespace.bytes)
    name = f"{literal(identity.name)} || chr(10) || key || chr(10) || bare"
    digest = f"sha1('{space}'::BLOB || encode({name}))"
    variant = "substr('89ab', 1 + ((strpos('0123456789abcdef', substr(h, 17, 1)) - 1) % 4), 1)"
    uuid = (f"(SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-' || {variant} "
            f"|| substr(h, 18, 3) || '-' || substr(h, 21, 12) FROM (SELECT {digest} AS h))")
    return f"""bare || ',"messageId":"' || {uuid} || '"}}'"""


def _set_large_aside(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE TABLE large AS SELECT message FROM messages WHERE strlen(body) > {LARGEST_MESSAGE}")
    if scalar(connection, "SELECT count(*) FROM large"):
        connection.execute(f"UPDATE result SET reason = {literal(TOO_LARGE)} WHERE key IN "
                           "(SELECT key FROM changes SEMI JOIN large USING (message))")
        connection.execute("DELETE FROM messages WHERE message IN (FROM large)")
        connection.execute("DELETE FROM changes WHERE message IN (FROM large)")
