"""What Candu takes in one request, checked strictly.

A body is one JSON object or an array of 1 to 100 of them, all of one type. The fields of each type are the ones in
Candu's documented examples; a field that no example shows is refused, so that nobody relies on it. A refusal names the
field and the index of the message, never a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

Message = dict[str, Any]

MAX_MESSAGES = 100
# The limits of Segment and Customer.io, read the strict way: 1 KB is 1,000 bytes.
MAX_BODY_BYTES = 500_000
MAX_MESSAGE_BYTES = 32_000

_COMMON = frozenset({"type", "userId", "timestamp", "messageId"})
_FIELDS = {
    "identify": _COMMON | {"traits"},
    "group": _COMMON | {"groupId", "traits"},
    "track": _COMMON | {"event", "properties"},
}
_ALL_FIELDS = frozenset().union(*_FIELDS.values())
_REQUIRED = {"identify": ("userId", "traits"), "group": ("groupId", "userId"), "track": ("userId", "event")}
_SCALARS = frozenset({str, int, float, bool, type(None)})
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_RESERVED_EVENTS = "candu.sdk."


class ContractError(Exception):
    """A body that Candu would refuse. ``status`` is the HTTP answer, ``index`` the message's place in the body
    (0-based), None when the whole body is at fault."""

    def __init__(self, message: str, *, index: int | None = None, status: int = 400) -> None:
        self.index = index
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of one request, all of ``type``; ``payloads`` holds each as compact JSON, in the same order."""

    type: str
    messages: list[Message]
    payloads: list[bytes]

    def __len__(self) -> int:
        return len(self.messages)


def parse(content_type: str, body: bytes, size: int, most: int = MAX_MESSAGES, too_many: int = 413) -> Batch:
    """The messages of a body of ``size`` bytes (``body`` may be cut off beyond the limit); ContractError
    otherwise, with the status ``too_many`` for one of more than ``most`` messages."""
    messages = _messages(read_json(content_type, body, size), most, too_many)
    payloads = [orjson.dumps(message) for message in messages]
    _refuse_repeated_names(body, payloads)
    kind = check_message(messages[0], payloads[0], 0)
    for index in range(1, len(messages)):
        if check_message(messages[index], payloads[index], index) != kind:
            raise ContractError("type: all messages of a request must be of one type", index=index)
    return Batch(kind, messages, payloads)


def read_json(content_type: str, body: bytes, size: int, too_large: int = 413) -> Any:
    """The JSON of a body of ``size`` bytes; ContractError, with the status ``too_large`` for one beyond the limit."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ContractError("content-type must be application/json")
    if size > MAX_BODY_BYTES:
        raise ContractError(f"the body has {size} bytes, more than {MAX_BODY_BYTES}", status=too_large)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Only the position: the parser's own sentence could quote the body.
        raise ContractError(f"the body is not JSON (at character {error.pos})") from None


def _messages(parsed: Any, most: int, too_many: int) -> list[Message]:
    messages = parsed if isinstance(parsed, list) else [parsed]
    if not messages:
        raise ContractError("the body is an empty array")
    if len(messages) > most:
        raise ContractError(f"the body has {len(messages)} messages, more than {most}", status=too_many)
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise ContractError("a message must be a JSON object", index=index)
    return messages


def _refuse_repeated_names(body: bytes, payloads: list[bytes]) -> None:
    # A body that equals its own compact form has no repeated name; only others need the slower parser.
    joined = b",".join(payloads)
    if body in (joined, b"[" + joined + b"]"):
        return
    json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> Message:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ContractError("a name appears twice in one JSON object")
    return names


def batches_of(messages: Iterable[Message]) -> list[Batch]:
    """Checked messages as batches of one type each, in their order."""
    runs = ((kind, list(run)) for kind, run in groupby(messages, key=itemgetter("type")))
    return [Batch(kind, run, [orjson.dumps(message) for message in run]) for kind, run in runs]


def check_message(message: Message, payload: bytes, index: int) -> str:
    """The type of a message; ``payload`` is its compact JSON. ContractError with ``index`` says what is wrong."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ContractError(
            f"the message has {len(payload)} bytes, more than {MAX_MESSAGE_BYTES}", index=index, status=413
        )
    try:
        return _check_fields(message)
    except _FieldError as error:
        raise ContractError(str(error), index=index) from None


class _FieldError(Exception):
    """A field is wrong; the index is added by the caller."""


def _check_fields(message: Message) -> str:
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise _FieldError(f"type: must be one of {', '.join(_FIELDS)}")
    if not message.keys() <= _FIELDS[kind]:
        _refuse_fields(message, kind)
    for field in _REQUIRED[kind]:
        if field not in message:
            raise _FieldError(f"{field}: required for {kind}")
    for field in ("userId", "groupId", "event", "messageId"):
        if field in message:
            _check_text(field, message[field])
    if message.get("event", "").startswith(_RESERVED_EVENTS):
        raise _FieldError(f"event: names that start with {_RESERVED_EVENTS} are Candu's own")
    if "timestamp" in message:
        _check_timestamp(message["timestamp"])
    _check_values(message, kind)
    return kind


def _refuse_fields(message: Message, kind: str) -> None:
    unknown = sorted(message.keys() - _FIELDS[kind])
    foreign = [name for name in unknown if name in _ALL_FIELDS]
    if foreign:
        raise _FieldError(f"{foreign[0]}: does not belong in {kind}")
    raise _FieldError(f"{unknown[0]!r:.80}: unknown field")


def _check_text(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise _FieldError(f"{field}: must be a string")
    if not value.strip():
        raise _FieldError(f"{field}: must not be blank")


def _check_timestamp(value: object) -> None:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise _FieldError("timestamp: no such date or time") from None
        return
    raise _FieldError("timestamp: must be ISO 8601 in UTC with seconds, as in 2025-04-22T15:58:02Z")


def _check_values(message: Message, kind: str) -> None:
    field = "properties" if kind == "track" else "traits"
    values = message.get(field, {})
    if not isinstance(values, dict):
        raise _FieldError(f"{field}: must be an object")
    for name, value in values.items():
        if type(value) not in _SCALARS:
            raise _FieldError(f"{field}.{name:.80}: must be a string, a number, a boolean or null")
        if not name.strip():
            raise _FieldError(f"{field}: a name must not be blank")
    if field == "traits" and field in message and not values:
        raise _FieldError("traits: must not be empty")
    if kind == "identify" and not isinstance(values.get("email"), str | None):
        raise _FieldError("traits.email: must be a string or null")
