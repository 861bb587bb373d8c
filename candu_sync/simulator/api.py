"""The two endpoints that Candu publishes: ``POST /eventWebhook`` and ``GET /contentMetadata``.

A request is accepted or refused as a whole: with one bad message it stores nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from candu_sync.simulator.assumptions import Assumed
from candu_sync.simulator.contract import ContractError, parse
from candu_sync.simulator.endpoint import Examined
from candu_sync.simulator.store import Way


class CanduApi:
    """Candu's REST API. ``key``: the expected bearer key; ``assumed``: what Candu does not publish."""

    way: Way = "api"
    wait_headers: tuple[str, ...] = ("retry-after",)

    def __init__(self, key: str, assumed: Assumed) -> None:
        self._key = key
        self._assumed = assumed

    def examine(self, request: Request, body: bytes, size: int) -> Examined:
        """See ``endpoint.Api``."""
        try:
            self._authorize(request.headers.get("authorization", ""))
            if request.method != "POST":
                return Examined(content={"content": []})
            assumed = self._assumed.now
            kind = request.headers.get("content-type", "")
            batch = parse(kind, body, size, assumed.most_messages, assumed.too_many)
            assumed.check(batch)
        except ContractError as problem:
            return refused(problem)
        return Examined(batches=[batch], messages=len(batch))

    def _authorize(self, header: str) -> None:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ContractError("an Authorization header with a bearer key is required", status=401)
        if not hmac.compare_digest(key.strip().encode(), self._key.encode()):
            raise ContractError("the key is not this workspace's", status=403)


def refused(problem: ContractError, counts: Mapping[str, int] | None = None) -> Examined:
    """Candu's answer to a request that it does not take."""
    content: dict[str, Any] = {"success": False, "error": str(problem)}
    if problem.index is not None:
        content["index"] = problem.index
    return Examined(status=problem.status, content=content, error=str(problem), counts=counts or {})
