"""What an answer of a destination means: a status, a body and a Retry-After become an acceptance or one kind of error.

| answer                                                             | becomes                                     |
|--------------------------------------------------------------------|---------------------------------------------|
| 200, 201, 202, 204 with a body that accepts (``acceptance.py``)    | accepted, or message by message             |
| 200, 201, 202, 204 with JSON that says that it failed              | Refused                                     |
| 207 with an outcome for each message                               | message by message                          |
| 401                                                                | Unauthorized                                |
| 403                                                                | Refused; the delivery then probes the key   |
| 408, 425, 429 (and what ``Destination.passing`` has more), 5xx     | Transient                                   |
| HTML or text with a 2xx, another 207, another 1xx or 2xx, 3xx,     | DestinationTrouble: it speaks of the        |
| 402, 405, 407, 410, 411, 414, 417, 421, 426, 431, 451              | address, the account or the way there       |
| any other 4xx: 400, 404, 409, 413, 415, 422, …                     | Refused: some message may be to blame       |
"""

from __future__ import annotations

import datetime as dt
import email.utils
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from candu_sync.delivery.acceptance import Item, NotJson, SaysNo, demand_json, read_acceptance
from candu_sync.delivery.destination import Destination
from candu_sync.delivery.words import IN_AN_ERROR, LONGEST, Words, with_words
from candu_sync.errors import DestinationTrouble, Refused, Transient, Unauthorized
from candu_sync.routes import Route

_Outcome = TypeVar("_Outcome")

# Bytes of an answer's body that are read, and that a compressed one may become.
LARGEST_ANSWER = 1_000_000

# What zlib calls these encodings.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

_BY_BODY = frozenset({200, 201, 202, 204})
_EACH = 207
_NEVER_A_ROW = frozenset({402, 405, 407, 410, 411, 414, 417, 421, 426, 431, 451})

# Seconds. A longer Retry-After is a mistake, or it is in milliseconds.
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True)
class Reply:
    """An answer as it came.

    Attributes:
        status: the HTTP status.
        body: what was read of it; None: it could not be read whole (see ``problem``).
        retry_after: the header that says how long to wait, as it came; empty: there was none.
        content_type: the header of that name.
        problem: why the body could not be read.
    """

    status: int
    body: bytes | None
    retry_after: str = ""
    content_type: str = ""
    problem: str = ""


def judge(reply: Reply, messages: int, destination: Destination, place: str,
          words: Words) -> tuple[Item, ...] | None:
    """What the answer to a POST means.

    Args:
        messages: how many the request had.
        destination: whose answer it is.
        place: its address and the proxy in between, for errors.
        words: of the request: errors and items quote what the destination said.

    Returns:
        None: all messages are accepted. Else the outcome of each.

    Raises:
        Unauthorized, Refused, Transient, DestinationTrouble: as the table above says.
    """
    items = _judge(_Quoted(reply, destination, place, words, refusals=messages == 1),
                   lambda body: read_acceptance(body, messages, each=reply.status == _EACH))
    return items and tuple(replace(item, answer=b"", words=words.of(item.answer)) for item in items)


def judge_probe(reply: Reply, destination: Destination, place: str, words: Words) -> None:
    """What the answer to the harmless read means: only JSON that does not say that it failed is a success.

    Raises:
        Unauthorized: 401 or 403.
        Transient, DestinationTrouble: as for ``judge``.
    """
    quoted = _Quoted(reply, destination, place, words)
    try:
        _judge(quoted, demand_json)
    except Refused as error:
        if error.status == 403:
            raise _unauthorized(quoted) from None
        said = "said that the request failed" if 200 <= reply.status < 300 else f"answered HTTP {reply.status}"
        raise DestinationTrouble(f"{quoted(f'{place} {said}')} when its content was asked for. Check "
                                 f"{destination.route.url_setting}", status=error.status) from None


@dataclass(frozen=True)
class _Quoted:
    """Sentences on an answer, with its words.

    Attributes:
        refusals: whether a refusal is quoted. That of many messages is not: they are sent again in parts.
    """

    reply: Reply
    destination: Destination
    place: str
    words: Words
    refusals: bool = True

    def __call__(self, sentence: str, most: int = IN_AN_ERROR) -> str:
        return with_words(sentence, self.words.of(self.reply.body), most=most)

    @property
    def route(self) -> Route:
        """The names of the destination."""
        return self.destination.route


def _unauthorized(quoted: _Quoted) -> Unauthorized:
    """The key is wrong, or lacks rights."""
    route, status = quoted.route, quoted.reply.status
    return Unauthorized(f"{quoted(f'{route.service} refused the {route.key} (HTTP {status})')}. Check "
                        f"{route.key_setting}, and that it belongs to this {route.owner}", status=status)


def _refused(sentence: str, quoted: _Quoted) -> Refused:
    status = quoted.reply.status
    if not quoted.refusals:
        return Refused(sentence, status=status)
    return Refused(quoted(sentence), status=status, reason=quoted(sentence, LONGEST))


def _judge(quoted: _Quoted, read: Callable[[bytes], _Outcome]) -> _Outcome:
    reply, status, service = quoted.reply, quoted.reply.status, quoted.route.service
    if status == 401:
        raise _unauthorized(quoted)
    if status in quoted.destination.passing or status >= 500:
        raise transient(reply, quoted.destination, quoted.place, quoted.words)
    if status >= 400 and status not in _NEVER_A_ROW:
        raise _refused(f"{service} refused it (HTTP {status})", quoted)
    if status not in _BY_BODY and status != _EACH:
        raise destination_trouble(reply, quoted.destination, quoted.place, quoted.words)
    if reply.body is None:
        # A 2xx that broke off: the messages may have been taken. Without a status, they count as unanswered.
        raise Transient(f"the answer of {quoted.place} broke off: {reply.problem}")
    try:
        return read(reply.body)
    except SaysNo:
        raise _refused(f"{service} answered HTTP {status}, but that it failed", quoted) from None
    except NotJson as error:
        raise _not_the_api(quoted, str(error)) from None


def transient(reply: Reply, destination: Destination, place: str, words: Words) -> Transient:
    """An answer that is worth another try; arguments as of ``judge_probe``."""
    quoted = _Quoted(reply, destination, place, words)
    sentence = f"{destination.route.service} answered HTTP {reply.status}"
    return Transient(quoted(sentence), status=reply.status, retry_after=seconds_of(reply.retry_after),
                     reason=quoted(sentence, LONGEST))


def destination_trouble(reply: Reply, destination: Destination, place: str, words: Words) -> DestinationTrouble:
    """An answer that is about the address, the account or the way there; arguments as of ``judge_probe``."""
    status, quoted = reply.status, _Quoted(reply, destination, place, words)
    about = {402: f"the account: look at the {quoted.route.owner}'s plan and payments",
             407: "the proxy: it wants a user and a password",
             451: "legal reasons for the account or this network"}.get(
        status, f"the address: check {quoted.route.url_setting}, and what is in between")
    what = "a redirect, " if 300 <= status < 400 else ""
    return DestinationTrouble(f"{quoted(f'{place} answered HTTP {status}')}: {what}which speaks of {about}. No row is "
                              "to blame and none was set aside; what was not accepted goes with the next run",
                              status=status)


def _not_the_api(quoted: _Quoted, why: str) -> DestinationTrouble:
    reply, place, route = quoted.reply, quoted.place, quoted.route
    kind = reply.content_type.partition(";")[0].strip() or "no content type"
    if reply.status == _EACH:
        # Some of the messages may be accepted. Without a status, they count as unanswered.
        return DestinationTrouble(f"{quoted(f'{place} answered HTTP 207')}, and {why}: which messages were accepted is "
                                  "not known. No row was set aside")
    return DestinationTrouble(
        f"{quoted(f'{place} answered HTTP {reply.status}')}, but not as {route.service}'s API does ({kind}; {why}). A "
        f"proxy or a login page may stand in between: check {route.url_setting} and the network. Nothing counts as "
        "accepted and no row was set aside; it goes with the next run", status=reply.status)


def seconds_of(retry_after: str) -> float | None:
    """Seconds to wait, from both forms of Retry-After (RFC 9110, 10.2.3), at most a day.

    Returns:
        None: there is no such header, or it cannot be read.

    Example:
        >>> seconds_of("7"), seconds_of("Wed, 21 Oct 2015 07:28:00 GMT"), seconds_of("soon")
        (7.0, 0.0, None)
    """
    value = retry_after.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:20]), _LONGEST_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(value)
        until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
        left = (until - dt.datetime.now(dt.UTC)).total_seconds()
    except Exception:  # the standard library's parser fails in many ways on dates that are none
        return None
    return float(min(max(0.0, left), _LONGEST_WAIT))


def decompressed(body: bytes, encoding: str) -> bytes:
    """A body without its compression, which was not asked for.

    Raises:
        ValueError, zlib.error: it cannot be read, or is too large.
    """
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in _WINDOWS:
        raise ValueError(f"it is encoded as {encoding:.20}, which was not asked for")
    inflated = zlib.decompressobj(_WINDOWS[encoding])
    plain = inflated.decompress(body, LARGEST_ANSWER)
    if inflated.unconsumed_tail or not inflated.eof:
        raise ValueError(f"it is broken off, or larger than {LARGEST_ANSWER:,} bytes without its compression")
    return plain
