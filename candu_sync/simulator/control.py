"""Who may change the simulator: a program on this machine, and the simulator's own page.

A browser sends a POST for any web page. It names that page's origin (Fetch standard, "Origin header") and how the page
is related to the address (Fetch Metadata, "Sec-Fetch-Site"). A program like curl sends neither header. A web page
cannot send JSON to another origin unless that origin allows it, and the simulator allows no one.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

# Bytes of a body. The longest list of faults that a person writes is far below it.
MAX_CONTROL_BYTES = 100_000


class ControlError(Exception):
    """A request that may not change the simulator. ``status`` is the HTTP answer."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


async def read_control(request: Request) -> Any:
    """The JSON of a request that changes the simulator.

    Returns:
        None: there is no body.

    Raises:
        ControlError: it comes from another site (403), the body is not JSON (415, 400) or too large (413).
    """
    check_origin(request)
    kind = request.headers.get("content-type")
    if kind is not None and kind.partition(";")[0].strip().lower() != "application/json":
        raise ControlError("content-type must be application/json", 415)
    body = await _read(request)
    if not body:
        return None
    if kind is None:
        raise ControlError("content-type must be application/json", 415)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ControlError(f"the body is not JSON (at character {error.pos})", 400) from None


def check_origin(request: Request) -> None:
    """ControlError (403) for a request that a web page of another site makes."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    same = origin is None or origin == f"{request.url.scheme}://{request.headers.get('host', '')}"
    if not same or site not in (None, "same-origin", "none"):
        raise ControlError("only the simulator's own page, and programs on this machine, may change the simulator", 403)


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_CONTROL_BYTES:
            raise ControlError(f"the body has more than {MAX_CONTROL_BYTES:,} bytes", 413)
        parts.append(part)
    return b"".join(parts)
