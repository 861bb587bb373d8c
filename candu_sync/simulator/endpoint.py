"""What all public endpoints share: a request is read whole, examined by one API, and meets the active faults. What
happened is one line of the request log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from candu_sync.simulator.contract import MAX_BODY_BYTES, Batch
from candu_sync.simulator.faults import Faults, FaultSpec
from candu_sync.simulator.store import Entry, Store, Way


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What an API makes of a request, if no fault intervenes.

    Attributes:
        status: of the answer; ``content`` is its JSON.
        batches: the messages that Candu takes, in order, each batch of one type.
        messages: how many messages the request holds, for the log.
        error: what is wrong, in words without values; also where the answer does not say it.
        counts: what is added to the counts, by name.
    """

    status: int = 200
    content: object = field(default_factory=lambda: {"success": True})
    batches: Sequence[Batch] = ()
    messages: int = 0
    error: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def user_ids(self) -> set[str]:
        """The users that the messages are about."""
        return {message["userId"] for batch in self.batches for message in batch.messages}


class Api(Protocol):
    """One public API: by which way its messages reach Candu, and how its requests are examined.

    Attributes:
        way: of its messages.
        wait_headers: the headers that say how long a client has to wait.
    """

    way: Way
    wait_headers: tuple[str, ...]

    def examine(self, request: Request, body: bytes, size: int) -> Examined:
        """``size`` is the body's; ``body`` is cut off beyond the limit."""


@dataclass(frozen=True)
class _Answer:
    """``status`` None: the connection is closed without an answer. ``heard``: the request reached the API behind the
    fault, if there is one; what the API takes of it is stored."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    heard: bool = False


class Endpoint:
    """The ASGI endpoint of an API. ``stopping``: set when the server ends, so that no delayed request holds it up."""

    def __init__(self, api: Api, store: Store, faults: Faults, stopping: asyncio.Event) -> None:
        self._api = api
        self._store = store
        self._faults = faults
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body, size = await _read(request)
        except ClientDisconnect:
            return
        examined = self._api.examine(request, body, size)
        verdict = self._faults.draw(examined.user_ids, examined.messages or 0)
        # A client that gives up while it waits is served, too, as by a slow server.
        resets = self._store.resets
        if verdict.delay and (await self._stops_within(verdict.delay) or resets != self._store.resets):
            # What came in before a reset is forgotten, too.
            await _hang_up(scope, receive)
            return
        answer = _answer(examined, verdict.fault, self._api.wait_headers)
        words = [f"delay {verdict.delay:g} s"] if verdict.delay else []
        words += [verdict.fault.described()] if verdict.fault else []
        happened = examined if answer.heard else Examined()
        entry = Entry(
            method=request.method, path=request.url.path, status=answer.status, messages=examined.messages, bytes=size,
            fault=", ".join(words) or None, error=happened.error,
        )  # fmt: skip
        self._store.record(entry, body, happened.batches, self._api.way, happened.counts)
        if answer.status is None:
            await _hang_up(scope, receive)
            return
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)

    async def _stops_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _answer(examined: Examined, fault: FaultSpec | None, wait_headers: tuple[str, ...]) -> _Answer:
    if fault is None or (fault.kind == "lost" and examined.status >= 300):
        return replace(_json(examined.status, examined.content), heard=True)
    return _Answer(None, heard=True) if fault.kind == "lost" else _faulty(fault, wait_headers)


def _faulty(fault: FaultSpec, wait_headers: tuple[str, ...]) -> _Answer:
    if fault.kind == "close":
        return _Answer(None)
    if fault.kind == "success_false":
        return _json(200, {"success": False, "error": "refused, though the status says otherwise"})
    if fault.kind == "refuse":
        return _json(fault.status or 422, {"success": False, "error": "a message was refused"})
    headers = {} if fault.retry_after is None else dict.fromkeys(wait_headers, str(fault.retry_after))
    if isinstance(fault.body, str):
        return _Answer(fault.status, fault.body.encode(), headers | {"content-type": "text/plain; charset=utf-8"})
    content = {"success": False, "error": f"asked to answer {fault.status}"} if fault.body is None else fault.body
    return _json(fault.status or 503, content, headers)


def _json(status: int, content: object, headers: Mapping[str, str] | None = None) -> _Answer:
    return _Answer(status, orjson.dumps(content), {"content-type": "application/json", **(headers or {})})


async def _read(request: Request) -> tuple[bytes, int]:
    # The whole body is read, so that the answer arrives. Bytes beyond the limit are only counted.
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
    return b"".join(chunks), size


async def _hang_up(scope: Scope, receive: Receive) -> None:
    scope["state"]["transport"].close()
    while (await receive())["type"] != "http.disconnect":
        pass
