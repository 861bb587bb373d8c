"""The messages of a few rows, built without the engine: the same bytes as ``messages.py`` builds in SQL.

A run of many small partitions has a few rows in each. There the engine takes longer to begin than to work.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.changes.messages import Encoding
from candu_sync.rows import ValueKind

# The engine writes control characters as capital hexadecimal digits.
_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", **{code: f"\\u{code:04X}" for code in range(32)},
            **{ord(text): f"\\{letter}" for text, letter in zip("\b\t\n\f\r", "btnfr", strict=True)}}

_EXACT = 2**53

_SCHEMA = pa.schema([("message", pa.int64()), ("body", pa.string())])
_WITH_DIGEST = _SCHEMA.append(pa.field("digest", pa.binary()))


def messages_of_few(encoding: Encoding, rows: pa.RecordBatch) -> pa.RecordBatch:
    """The columns ``message``, ``body`` and, where messages carry a messageId, ``digest``, as ``Encoding.messages`` has
    them.

    Args:
        rows: a few (``embedded.is_few``), each of them a message.

    Example:
        >>> from candu_sync.rows import Trait
        >>> row = {"message": [0], "key": ["u1"], "user_id": ["u1"], "t0": ["pro"], "c0": [True]}
        >>> encoding = Encoding("users", (Trait("plan", ValueKind.TEXT),))
        >>> messages_of_few(encoding, pa.record_batch(row)).to_pylist()
        [{'message': 0, 'body': '{"type":"identify","userId":"u1","traits":{"plan":"pro"}}'}]
    """
    columns = dict(zip(rows.schema.names, (column.to_pylist() for column in rows.columns), strict=True))
    bares = [_bare(encoding, {name: values[row] for name, values in columns.items()}) for row in range(rows.num_rows)]
    if encoding.identity is None:
        return pa.record_batch([columns["message"], [f"{bare}}}" for bare in bares]], schema=_SCHEMA)
    space, name = encoding.identity.namespace.bytes, encoding.identity.name
    digests = [hashlib.sha1(space + f"{name}\n{key}\n{bare}".encode(), usedforsecurity=False).digest()[:16]
               for key, bare in zip(columns["key"], bares, strict=True)]
    bodies = [f'{bare},"messageId":"{uuid.UUID(bytes=digest, version=5)}"}}'
              for bare, digest in zip(bares, digests, strict=True)]
    return pa.record_batch([columns["message"], bodies, digests], schema=_WITH_DIGEST)


def in_array(messages: pa.RecordBatch) -> pa.RecordBatch:
    """The messages with a comma after each body, as in an array."""
    at = messages.schema.get_field_index("body")
    return messages.set_column(at, "body", pc.binary_join_element_wise(messages.column("body"), ",", ""))


def _bare(encoding: Encoding, row: Mapping[str, Any]) -> str:
    """A row's message without its messageId and closing brace."""
    values, user = ",".join(_pairs(encoding, row)), _text(row["user_id"])
    if encoding.kind == "users":
        return f'{{"type":"identify","userId":{user},"traits":{{{values}}}'
    if encoding.kind == "groups":
        traits = f',"traits":{{{values}}}' if values else ""
        return f'{{"type":"group","groupId":{_text(row["group_id"])},"userId":{user}{traits}'
    return (f'{{"type":"track","userId":{user},"event":{_text(row["event"])},"properties":{{{values}}}'
            f',"timestamp":"{_instant(row["occurred"])}"')


def _pairs(encoding: Encoding, row: Mapping[str, Any]) -> list[str]:
    found = []
    for n, name in enumerate(encoding.names):
        if row[f"c{n}"]:
            values = (_json(row[f"t{i}"], trait.kind) for i, trait in enumerate(encoding.traits)
                      if trait.name == name and row[f"t{i}"] is not None)
            found.append(f"{orjson.dumps(name).decode()}:{next(values, 'null')}")
    return found


def _json(value: Any, kind: ValueKind) -> str:
    if kind is ValueKind.TEXT:
        return _text(value)
    if kind is ValueKind.BOOLEAN:
        return "true" if value else "false"
    if kind is ValueKind.INSTANT:
        return f'"{_instant(value)}"'
    return str(int(value)) if abs(value) <= _EXACT and value == int(value) else repr(value)


def _text(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _instant(instant: dt.datetime) -> str:
    return f"{instant.replace(microsecond=0).isoformat()}Z"
