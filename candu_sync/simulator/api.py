"""The two endpoints that Candu publishes: ``POST /eventWebhook`` and ``GET /contentMetadata``.

A request is read whole, checked, and meets the active faults; what happened is one line of the request log. Accepted
or refused as a whole: a request with one bad message stores nothing.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from candu_sync.simulator.contract import MAX_BODY_BYTES, Batch, ContractError, parse
from candu_sync.simulator.faults import Faults, FaultSpec
from candu_sync.simulator.store import Entry, Store

_SUCCESS = b'{"success":true}'


@dataclass(frozen=True)
class _Answer:
    """``status`` None: the connection is closed without an answer. ``stored``: what the request is kept for."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    stored: Batch | None = None


class Api:
    """The ASGI endpoint of both calls. ``key``: the expected bearer key. ``stopping``: set when the server ends, so
    that no delayed request holds it up."""

    def __init__(self, store: Store, faults: Faults, key: str, stopping: asyncio.Event) -> None:
        self._store = store
        self._faults = faults
        self._key = key
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body, size = await _read(request)
        except ClientDisconnect:
            return
        batch, problem = self._examine(request, body, size)
        verdict = self._faults.draw(_user_ids(batch) if problem is None else set())
        # A client that gives up while it waits is served, too, as by a slow server.
        resets = self._store.resets
        if verdict.delay and (await self._stops_within(verdict.delay) or resets != self._store.resets):
            # What came in before a reset is forgotten, too.
            await _hang_up(scope, receive)
            return
        answer = _answer(batch, problem, verdict.fault)
        words = [f"delay {verdict.delay:g} s"] if verdict.delay else []
        words += [verdict.fault.described()] if verdict.fault else []
        entry = Entry(
            method=request.method, path=request.url.path, status=answer.status, messages=len(batch or ()), bytes=size,
            fault=", ".join(words) or None,
            error=answer.error,
        )  # fmt: skip
        self._store.record(entry, body, answer.stored)
        if answer.status is None:
            await _hang_up(scope, receive)
            return
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)

    def _examine(self, request: Request, body: bytes, size: int) -> tuple[Batch | None, ContractError | None]:
        try:
            self._authorize(request.headers.get("authorization", ""))
            if request.method != "POST":
                return None, None
            return parse(request.headers.get("content-type", ""), body, size), None
        except ContractError as problem:
            return None, problem

    def _authorize(self, header: str) -> None:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ContractError("an Authorization header with a bearer key is required", status=401)
        if not hmac.compare_digest(key.strip().encode(), self._key.encode()):
            raise ContractError("the key is not this workspace's", status=403)

    async def _stops_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _answer(batch: Batch | None, problem: ContractError | None, fault: FaultSpec | None) -> _Answer:
    if fault is not None and fault.kind != "lost":
        return _faulty(fault)
    if problem is not None:
        error: dict[str, Any] = {"success": False, "error": str(problem)}
        if problem.index is not None:
            error["index"] = problem.index
        return _json(problem.status, error, error=str(problem))
    if fault is not None:
        return _Answer(None, stored=batch)
    if batch is None:
        return _json(200, {"content": []})
    return _Answer(200, _SUCCESS, {"content-type": "application/json"}, stored=batch)


def _faulty(fault: FaultSpec) -> _Answer:
    if fault.kind == "close":
        return _Answer(None)
    if fault.kind == "success_false":
        return _json(200, {"success": False, "error": "refused, though the status says otherwise"})
    if fault.kind == "refuse":
        return _json(fault.status or 422, {"success": False, "error": "a message was refused"})
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    if isinstance(fault.body, str):
        return _Answer(fault.status, fault.body.encode(), headers | {"content-type": "text/plain; charset=utf-8"})
    content = {"success": False, "error": f"asked to answer {fault.status}"} if fault.body is None else fault.body
    return _json(fault.status or 503, content, headers)


def _json(status: int, content: object, headers: Mapping[str, str] | None = None, error: str | None = None) -> _Answer:
    return _Answer(status, orjson.dumps(content), {"content-type": "application/json", **(headers or {})}, error)


def _user_ids(batch: Batch | None) -> set[str]:
    return {message["userId"] for message in batch.messages} if batch else set()


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
