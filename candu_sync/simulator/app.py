"""The web application: Candu's endpoints under ``/api``, Segment's under ``/v1``, inspection and faults under
``/_sim``, the page at ``/``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from candu_sync.simulator.assumptions import Assumed
from candu_sync.simulator.comparison import browser_users
from candu_sync.simulator.control import ControlError, read_control
from candu_sync.simulator.endpoint import Endpoint
from candu_sync.simulator.faults import Faults
from candu_sync.simulator.pages import own_script, read_page
from candu_sync.simulator.reading import Reading
from candu_sync.simulator.sample import Sample
from candu_sync.simulator.store import Entry, Store, Way

PREFIX = "/api"
_SEGMENT_CALLS = ("batch", "identify", "group", "track", "page", "screen", "alias")
# Only the names of this machine: so no other web page can read people's traits by pointing its own name here.
_HOSTS = ["127.0.0.1", "localhost", "[::1]", "::1"]

# A product's own page on this machine, at another port, may have the script, too.
_OWN_PAGES = Middleware(CORSMiddleware, allow_origin_regex=r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?",
                        allow_methods=["POST"], allow_headers=["content-type"])


def make_app(store: Store, faults: Faults, assumed: Assumed, endpoints: Mapping[Way, Endpoint],
             sample: Sample) -> Starlette:
    """The application over ``store``, ``faults`` and what is ``assumed``. By the ways of ``endpoints``: ``api`` serves
    the two of Candu's REST API, ``segment`` those of Segment's Tracking API, ``browser`` the one of Candu's script."""
    inspection = Inspection(store, faults, assumed)
    page = read_page("page.html")
    policy = (f"default-src 'none'; script-src '{own_script(page)}'; style-src 'unsafe-inline'; img-src data:; "
              "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    headers = {"content-security-policy": policy, "cache-control": "no-store"}

    async def index(_: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    async def missed(request: Request, error: Exception) -> Response:
        return _missed(store, request, error)

    routes = [
        Route(f"{PREFIX}/eventWebhook", endpoints["api"], methods=["POST"]),
        Route(f"{PREFIX}/contentMetadata", endpoints["api"], methods=["GET"]),
        *(Route(f"/v1/{call}", endpoints["segment"], methods=["POST"]) for call in _SEGMENT_CALLS),
        Route(f"{PREFIX}/batchEvent", endpoints["browser"], methods=["POST", "OPTIONS"], middleware=[_OWN_PAGES]),
        *sample.routes(),
        Route("/", index),
        *inspection.routes(),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)],
        exception_handlers={404: missed, 405: missed, ControlError: _not_changed},
    )


class Inspection:
    """What the simulator holds, its faults and assumptions, as JSON. Lists take ``limit`` (50) and ``offset`` (0), and
    are newest first where there is a time."""

    def __init__(self, store: Store, faults: Faults, assumed: Assumed) -> None:
        self._store = store
        self._faults = faults
        self._assumed = assumed
        self._reading = Reading(store)

    def routes(self) -> list[Route]:
        """The routes under ``/_sim``."""
        return [
            Route("/_sim/users", self.users),
            Route("/_sim/users/{user_id:path}", self.user, methods=["GET", "DELETE"]),
            Route("/_sim/browser", self.browser),
            Route("/_sim/groups", self.groups),
            Route("/_sim/events", self.events),
            Route("/_sim/requests", self.requests),
            Route("/_sim/messages", self.messages),
            Route("/_sim/stats", self.stats),
            Route("/_sim/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sim/assumptions", self.assumptions, methods=["GET", "POST", "DELETE"]),
            Route("/_sim/reset", self.reset, methods=["POST"]),
        ]

    async def users(self, request: Request) -> Response:
        total, users = self._reading.users(*_window(request), request.query_params.get("search", ""))
        return _json({"total": total, "users": users})

    async def user(self, request: Request) -> Response:
        if request.method == "DELETE":
            await read_control(request)
            return _json({"removed": self._store.forget(request.path_params["user_id"])})
        user = self._reading.user(request.path_params["user_id"])
        return _json({"error": "no identify has named this user"}, 404) if user is None else _json(user)

    async def browser(self, request: Request) -> Response:
        total, users = browser_users(self._store, *_window(request))
        return _json({"total": total, "users": users})

    async def groups(self, request: Request) -> Response:
        search = request.query_params.get("search", "")
        total, groups = self._reading.groups(*_window(request), search, _whole(request, "members", 50))
        return _json({"total": total, "groups": groups})

    async def events(self, request: Request) -> Response:
        return _json({"events": self._reading.events(*_window(request))})

    async def requests(self, request: Request) -> Response:
        bodies = request.query_params.get("bodies", "true") != "false"
        return _json({"requests": self._reading.requests(*_window(request), bodies=bodies)})

    async def messages(self, request: Request) -> Response:
        return _json({"messages": self._reading.messages(*_window(request))})

    async def stats(self, _: Request) -> Response:
        return _json(self._reading.stats())

    async def faults(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self._faults.add(await read_control(request))
            except ValueError as error:
                return _json({"error": str(error)}, 400)
        elif request.method == "DELETE":
            await read_control(request)
            self._faults.clear()
        return _json({"faults": self._faults.listed()})

    async def assumptions(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self._assumed.change(await read_control(request))
            except ValueError as error:
                return _json({"error": str(error)}, 400)
        elif request.method == "DELETE":
            await read_control(request)
            self._assumed.reset()
        return _json({"assumptions": self._assumed.listed()})

    async def reset(self, request: Request) -> Response:
        await read_control(request)
        self._store.reset()
        self._faults.clear()
        self._assumed.reset()
        return _json({"reset": True})


async def _not_changed(_: Request, error: Exception) -> Response:
    assert isinstance(error, ControlError)
    # The rest of a body that is too large is not read, so the connection cannot be used again.
    return _json({"error": str(error)}, error.status, {"connection": "close"})


def _missed(store: Store, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    said = (f"{request.method} {path} is not known; try POST {PREFIX}/eventWebhook, GET {PREFIX}/contentMetadata "
            "or POST /v1/batch")
    if not path.startswith("/_sim"):
        store.record(Entry(method=request.method, path=path, status=error.status_code, messages=0, bytes=0,
                           error=said), b"")
    return _json({"success": False, "error": said}, error.status_code)


def _window(request: Request) -> tuple[int, int]:
    return _whole(request, "limit", 50), _whole(request, "offset", 0)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if text and not re.fullmatch(r"\d{1,9}", text):
        raise HTTPException(400, f"{name} must be a whole number")
    return int(text) if text else default


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, {"cache-control": "no-store", **(headers or {})}, "application/json")
