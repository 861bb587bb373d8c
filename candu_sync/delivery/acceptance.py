"""What the body of a 2xx says: which messages are accepted.

| body                                                  | meaning                                               |
|-------------------------------------------------------|-------------------------------------------------------|
| empty, or white space                                 | accepted, all of them                                 |
| JSON with an outcome for each message                 | accepted or not, message by message                   |
| JSON that says that it failed                         | not accepted                                          |
| other JSON: an object, an array, true, null           | accepted, all of them                                 |
| HTML, other text, a number, broken JSON               | no answer of such an API: nothing is known            |

JSON *says that it failed* by any of these, also inside `data`, `response`, `result`, `body` or `meta`:

- `success`, `ok`, `succeeded`, `accepted`: anything but null or a yes (`true`, `1`, `"true"`, `"ok"`, …);
- `status`, `statusCode`, `result`, `state`: `false`, a no (`"false"`, `"error"`, `"failed"`, …), a number from 300 on;
- `error`, `errors`, `failures`, `failed`, `rejected`, …: anything but null, `false`, 0, an empty text or collection;
- the bare value `false`.

*An outcome for each message* is an array as long as the request, as the whole body or under `results`, `items`,
`responses`, `messages`, `statuses` or `data`, in which at least one item says that it failed, or each says that it
passed. An `errors` array with places (`{"index": 3}`) is not one: it does not say that the others were accepted.

Candu publishes none of this. The names are those of common HTTP APIs (JSON:API, GraphQL, Elasticsearch's bulk API,
Segment, Customer.io). When in doubt, nothing is taken as accepted: it is sent again, which is the smaller harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

_WRAPPERS = ("data", "response", "result", "body", "meta")
_ITEM_LISTS = ("results", "items", "responses", "messages", "statuses", "data")
_FLAGS = frozenset({"success", "successful", "ok", "succeeded", "accepted"})
_STATES = frozenset({"status", "statuscode", "result", "state", "outcome"})
_TROUBLES = frozenset({"error", "errors", "failure", "failures", "failed", "rejected", "invalid", "exception", "fault",
                       "errormessage", "errorcode"})
_YES = frozenset({"true", "1", "yes", "y", "on", "ok", "success", "successful", "succeeded", "accepted", "created",
                  "done", "complete", "completed", "processed", "queued", "received", "updated"})
_NO = frozenset({"false", "0", "no", "n", "off", "ko", "nok", "error", "errors", "errored", "fail", "failed",
                 "failure", "exception", "rejected", "refused", "denied", "invalid", "unauthorized", "forbidden",
                 "fault", "partial", "dropped", "skipped", "ignored", "not_found", "unavailable", "timeout"})

# "404", and "404 Not Found".
_LEADING_NUMBER = re.compile(r"\s*([0-9]{1,9})(?:\s|$)", re.ASCII)


class Word(Enum):
    """What a piece of JSON says of itself."""

    YES = "yes"
    NO = "no"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Item:
    """The outcome of one message of a request.

    Attributes:
        accepted: whether the destination took it.
        status: the HTTP status that the answer gives for this message; None: it gives none.
        answer: what the answer says of this message, JSON, where it is not accepted. It may repeat values.
        words: the destination's words, without the values that were sent.
    """

    accepted: bool
    status: int | None = None
    answer: bytes = field(default=b"", repr=False, compare=False)
    words: str = field(default="", repr=False, compare=False)


class NotJson(ValueError):
    """The body is not what an API of messages answers with."""


class SaysNo(ValueError):
    """The body says that the request failed, and not for which messages."""


def read_acceptance(body: bytes, messages: int, *, each: bool = False) -> tuple[Item, ...] | None:
    """What a 2xx's body says of a request.

    Args:
        body: of the answer, whole.
        messages: how many the request had.
        each: the status is 207: only an outcome for each message counts.

    Returns:
        None: all messages are accepted. Else the outcome of each message, in order.

    Raises:
        SaysNo: the request failed.
        NotJson: this is no answer of such an API.

    Example:
        >>> read_acceptance(b'{"success": true}', 2) is None
        True
        >>> read_acceptance(b'[{"success": true}, {"success": false}]', 2)
        (Item(accepted=True, status=None), Item(accepted=False, status=None))
    """
    if not body.strip():
        if each:
            raise NotJson("it is empty")
        return None
    parsed = _parsed(body)
    failed = isinstance(parsed, dict) and _members_say(parsed) is Word.NO
    items = _items(parsed, messages, explicit=each or failed)
    if items is not None and not (failed and all(item.accepted for item in items)):
        return None if all(item.accepted for item in items) else items
    if each:
        raise NotJson("it does not say what became of each message")
    if _says(parsed) is Word.NO:
        raise SaysNo("it says that the request failed")
    return None


def demand_json(body: bytes) -> None:
    """Raise unless the body is a JSON object or array that does not say that it failed.

    Raises:
        NotJson, SaysNo: as ``read_acceptance``.
    """
    parsed = _parsed(body)
    if not isinstance(parsed, dict | list):
        raise NotJson("it is neither an object nor an array")
    # Fields deeper in the content may have any name.
    if isinstance(parsed, dict) and _members_say(parsed) is Word.NO:
        raise SaysNo("it says that the request failed")


def _parsed(body: bytes) -> Any:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson("it is no JSON") from None
    if isinstance(parsed, str | int | float) and not isinstance(parsed, bool):
        raise NotJson("it is a bare text or number")
    return parsed


def _items(parsed: Any, messages: int, *, explicit: bool) -> tuple[Item, ...] | None:
    """The outcome of each message; None: the body does not give one.

    Args:
        explicit: an item that says nothing is no acceptance. Otherwise it is one, where others say that they failed.
    """
    for candidate in _lists(parsed):
        if len(candidate) != messages:
            continue
        words = [_says(item) for item in candidate]
        if (Word.NO in words and not explicit) or Word.NOTHING not in words:
            return tuple(Item(word is not Word.NO, _status(item), b"" if word is not Word.NO else _answer(item))
                         for word, item in zip(words, candidate, strict=True))
    return None


def _lists(parsed: Any) -> list[list[Any]]:
    """The arrays that may hold an outcome for each message."""
    if isinstance(parsed, list):
        return [parsed]
    if not isinstance(parsed, dict):
        return []
    found = [parsed[name] for name in _ITEM_LISTS if isinstance(parsed.get(name), list)]
    inner = [parsed[name] for name in _WRAPPERS if isinstance(parsed.get(name), dict)]
    return found + [part[name] for part in inner for name in _ITEM_LISTS if isinstance(part.get(name), list)]


def _says(value: Any, depth: int = 0) -> Word:
    """What a body, or one item of it, says of itself."""
    if isinstance(value, bool):
        return Word.YES if value else Word.NO
    if isinstance(value, int):  # the item of `statuses`
        return Word.YES if 200 <= value < 300 else Word.NO
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, list):
        return Word.NO if any(_says(item, 1) is Word.NO for item in value if isinstance(item, dict)) \
            or any(item is False for item in value) else Word.NOTHING
    return _object_says(value, depth) if isinstance(value, dict) else Word.NOTHING


def _object_says(value: Mapping[str, Any], depth: int) -> Word:
    words = [_members_say(value)]
    if depth < 2:
        words += [_says(value[name], depth + 1) for name in (*_WRAPPERS, *_ITEM_LISTS)
                  if isinstance(value.get(name), dict | list)]
    return Word.NO if Word.NO in words else Word.YES if Word.YES in words else Word.NOTHING


def _members_say(value: Mapping[str, Any]) -> Word:
    """What an object's own members say, without those deeper in it."""
    words = {_member_says(_plain(name), member) for name, member in value.items()}
    return Word.NO if Word.NO in words else Word.YES if Word.YES in words else Word.NOTHING


def _member_says(name: str, member: Any) -> Word:
    if name in _TROUBLES:
        empty = member is None or member is False or member == 0 or member in ("", "0", "false", "none", "null") \
            or (isinstance(member, dict | list) and not member)
        return Word.NOTHING if empty else Word.NO
    if member is None or isinstance(member, dict | list):
        return Word.NOTHING
    if name in _FLAGS:
        return Word.YES if _word(str(member)) is Word.YES or _is_count(member) else Word.NO
    if name in _STATES:
        number = _number(member)
        if number is not None and number >= 100:
            return Word.YES if 200 <= number < 300 else Word.NO
        return _word(str(member))
    return Word.NOTHING


def _is_count(member: Any) -> bool:
    """Whether it is a number above 0: how many were accepted."""
    number = _number(member)
    return number is not None and number > 0


def _word(text: str) -> Word:
    plain = text.strip().lower()
    return Word.YES if plain in _YES else Word.NO if plain in _NO else Word.NOTHING


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _number(member: Any) -> int | None:
    if isinstance(member, bool):
        return None
    if isinstance(member, int | float):
        return int(member)
    leading = _LEADING_NUMBER.match(member) if isinstance(member, str) else None
    return int(leading[1]) if leading else None


def _status(item: Any) -> int | None:
    """The HTTP status that an item gives."""
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    if isinstance(item, dict):
        for name, member in item.items():
            number = _number(member)
            if _plain(name) in _STATES and number is not None and 100 <= number < 600:
                return number
    return None


def _answer(item: Any) -> bytes:
    return orjson.dumps(item) if isinstance(item, dict | str) else b""
