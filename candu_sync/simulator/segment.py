"""Segment's HTTP Tracking API, and its destination "Candu": what Segment accepts, the destination passes on to Candu.

Segment's docs, "HTTP API Source": a write key by Basic authentication or in the body; ``POST /v1/batch`` and one path
for each type of message; 500 KB a batch, 32 KB a message, 2,500 messages. It answers 400 to a body that is too large or
not JSON, and 200 to everything else. What is wrong with a message, or with the key, shows in its debugger only: the
message is dropped. So it is here, and the request log has the reasons.

Segment's docs, "Candu Destination": identify, group and track calls "will be sent to Candu" as such events. The form is
not published. Assumed: the fields that Candu's REST API documents, and nothing else of the message.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request

from candu_sync.simulator.contract import (
    MAX_MESSAGE_BYTES,
    ContractError,
    Message,
    batches_of,
    check_message,
    read_json,
)
from candu_sync.simulator.endpoint import Examined
from candu_sync.simulator.store import Way

MAX_EVENTS = 2_500
# "ensure all events have unique messageId values with fewer than 100 characters"
MAX_MESSAGE_ID = 99

# Segment's spec, "Common Fields", and "_metadata", which its own libraries send.
_COMMON = frozenset({"anonymousId", "channel", "context", "integrations", "messageId", "originalTimestamp",
                     "sentAt", "timestamp", "type", "userId", "version", "writeKey", "_metadata"})
_FIELDS = {
    "identify": _COMMON | {"traits"},
    "group": _COMMON | {"groupId", "traits"},
    "track": _COMMON | {"event", "properties"},
    "page": _COMMON | {"name", "category", "properties"},
    "screen": _COMMON | {"name", "category", "properties"},
    "alias": _COMMON | {"previousId"},
}
_ENVELOPE = frozenset({"batch", "context", "integrations", "sentAt", "timestamp", "writeKey", "_metadata"})
_PASSED_ON = ("type", "userId", "groupId", "event", "traits", "properties", "messageId")
_NAMED_REASONS = 3


class DroppedError(Exception):
    """Segment answers 200, and drops the message; the text is the reason, without values."""


class SegmentApi:
    """Segment's Tracking API with one source and the destination "Candu". ``key``: the source's write key."""

    way: Way = "segment"
    wait_headers: tuple[str, ...] = ("retry-after", "x-ratelimit-reset")

    def __init__(self, key: str) -> None:
        self._key = key

    def examine(self, request: Request, body: bytes, size: int) -> Examined:
        """See ``endpoint.Api``. The last part of the path is ``batch`` or the type of the one message."""
        path = request.url.path.rpartition("/")[2]
        try:
            content = _content(request.headers.get("content-type", ""), body, size)
            messages = _messages(content, path)
            key = _write_key(request.headers.get("authorization"), content)
        except ContractError as problem:
            answer = {"success": False, "code": "invalid_request", "message": str(problem)}
            return Examined(status=problem.status, content=answer, error=str(problem))
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            return _dropped_whole(messages, "the write key is not this source's")
        if len(messages) > MAX_EVENTS:
            return _dropped_whole(messages, f"more than {MAX_EVENTS:,} messages in a batch")
        return _passed_on(messages, content if path == "batch" else {})


def _content(content_type: str, body: bytes, size: int) -> Message:
    content = read_json(content_type, body, size, too_large=400)
    if not isinstance(content, dict):
        raise ContractError("the body must be a JSON object")
    return content


def _messages(content: Message, path: str) -> list[Any]:
    if path != "batch":
        messages: list[Any] = [content | {"type": path}]
    elif isinstance(content.get("batch"), list):
        messages = content["batch"]
    else:
        raise ContractError("batch: must be an array")
    for index, message in enumerate(messages):
        if len(orjson.dumps(message)) > MAX_MESSAGE_BYTES:
            raise ContractError(f"message {index}: more than {MAX_MESSAGE_BYTES} bytes")
    return messages


def _write_key(header: str | None, content: Message) -> str:
    """By Basic authentication with an empty password, or in the body."""
    if header is None:
        key = content.get("writeKey")
        if not isinstance(key, str) or not key:
            raise ContractError("a write key is required: by Basic authentication or as writeKey in the body")
        return key
    scheme, _, encoded = header.partition(" ")
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = colon = password = ""
    if scheme.lower() != "basic" or not name or not colon or password:
        raise ContractError("Authorization must be Basic, of the write key, a colon and an empty password")
    return name


def _dropped_whole(messages: list[Any], reason: str) -> Examined:
    return Examined(messages=len(messages), error=f"dropped: {reason}", counts={"segment.dropped": len(messages)})


def _passed_on(messages: list[Any], envelope: Message) -> Examined:
    taken: list[Message] = []
    reasons: list[str] = []
    received = datetime.now(UTC)
    unknown = sorted(envelope.keys() - _ENVELOPE)
    if unknown:
        return _dropped_whole(messages, f"{unknown[0]!r:.80}: unknown field of a batch")
    for index, message in enumerate(messages):
        try:
            _check(message)
            passed = _as_destination(message, envelope, received)
            check_message(passed, orjson.dumps(passed), index)
            taken.append(passed)
        except DroppedError as error:
            reasons.append(f"message {index}: {error}")
        except ContractError as error:
            reasons.append(f"message {index}, refused by Candu: {error}")
    counts = Counter({"segment.passed_on": len(taken), "segment.dropped": len(reasons)})
    return Examined(batches=batches_of(taken), messages=len(messages), error=_summary(reasons), counts=counts)


def _summary(reasons: list[str]) -> str | None:
    if not reasons:
        return None
    more = f"; and {len(reasons) - _NAMED_REASONS:,} more" if len(reasons) > _NAMED_REASONS else ""
    return f"dropped: {'; '.join(reasons[:_NAMED_REASONS])}{more}"


def _check(message: Any) -> None:
    """What Segment's spec asks of each call."""
    if not isinstance(message, dict):
        raise DroppedError("must be a JSON object")
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise DroppedError(f"type: must be one of {', '.join(_FIELDS)}")
    unknown = sorted(message.keys() - _FIELDS[kind])
    if unknown:
        raise DroppedError(f"{unknown[0]!r:.80}: unknown field of {kind}")
    if not any(isinstance(message.get(name), str) and message[name] for name in ("userId", "anonymousId")):
        raise DroppedError("userId or anonymousId: one of them is required, as a string")
    for name in ("context", "integrations", "traits", "properties"):
        if not isinstance(message.get(name, {}), dict):
            raise DroppedError(f"{name}: must be an object")
    _check_message_id(message.get("messageId"))
    _check_required(message, kind)


def _check_message_id(value: object) -> None:
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID):
        raise DroppedError(f"messageId: must be a string of at most {MAX_MESSAGE_ID} characters")


def _check_required(message: Message, kind: str) -> None:
    required = {"track": "event", "group": "groupId"}.get(kind)
    if required and not (isinstance(message.get(required), str) and message[required]):
        raise DroppedError(f"{required}: required for {kind}, as a string")


def _as_destination(message: Message, envelope: Message, received: datetime) -> Message:
    """What the destination sends to Candu for a call."""
    if message["type"] not in ("identify", "group", "track"):
        raise DroppedError(f"type: Candu's REST API has no {message['type']}")
    chosen = {"All": True, **envelope.get("integrations", {}), **message.get("integrations", {})}
    if not chosen.get("Candu", chosen["All"]):
        raise DroppedError("integrations: the destination Candu is switched off")
    passed = {name: message[name] for name in _PASSED_ON if message.get(name) is not None}
    # "The Segment HTTP API assigns each event a unique messageId when the message is ingested."
    passed.setdefault("messageId", str(uuid4()))
    passed["timestamp"] = _instant(message.get("timestamp"), received)
    return passed


def _instant(value: object, received: datetime) -> str:
    """A timestamp in the form that Candu documents. Segment stamps what has none."""
    try:
        at = received if value is None else datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise DroppedError("timestamp: must be ISO 8601") from None
    if at.tzinfo is None:
        raise DroppedError("timestamp: must have a time zone, as in 2025-04-22T15:58:02.000Z")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
