"""A record as it is in its file."""

from __future__ import annotations

import json
from typing import Any

import orjson

# At the root of the state. The folders of syncs have a dot in their names.
RECORDS = "last"

# What of a record has sentences: they may name a key, and so a person.
SENTENCES = ("error", "guard", "reasons")


def parsed(data: bytes | None) -> dict[str, Any]:
    """The body of a record's file; empty: there is none, or it cannot be read."""
    try:
        return {} if data is None else dict(orjson.loads(data))
    except ValueError:
        pass
    try:
        return dict(json.loads(data or b"{}"))  # numbers and surrogates that orjson has no form for
    except ValueError:
        return {}


def encoded(body: dict[str, Any]) -> bytes:
    """A record's file."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()
