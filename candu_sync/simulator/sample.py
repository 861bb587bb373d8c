"""The stand-in of Candu's script, and a sample page that has it, written for one user as a product's server does."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from candu_sync.simulator.browser import signature
from candu_sync.simulator.control import check_origin
from candu_sync.simulator.pages import own_script, read_page

_PARAMS = '<script type="application/json" id="params">null</script>'
_DEFAULT_TRAITS = '{"plan": "pro", "seats": 3}'


class Sample:
    """The routes of the script and of the page. ``token`` and ``secret`` are those of the workspace; without a secret
    the page sends no HMAC."""

    def __init__(self, token: str, secret: str | None) -> None:
        self._token = token
        self._secret = secret
        self._page = read_page("sample.html")
        self._script = files("candu_sync.simulator").joinpath("candu.umd.js").read_text("utf-8")

    def routes(self) -> list[Route]:
        """``/sdk/latest/candu.umd.js``, where Candu's content delivery network has it, and ``/sample``."""
        return [Route("/sdk/latest/candu.umd.js", self.script), Route("/sample", self.page)]

    async def script(self, _: Request) -> Response:
        return Response(self._script, media_type="text/javascript", headers={"cache-control": "no-store"})

    async def page(self, request: Request) -> Response:
        if request.query_params:
            # A page of another site must not write users into the simulator by a link to this one.
            check_origin(request)
        # "</script>" in a value would end the element.
        params = orjson.dumps(self._params(request.query_params)).decode().replace("<", "\\u003c")
        text = self._page.replace(_PARAMS, _PARAMS.replace("null", params))
        policy = (f"default-src 'none'; script-src 'self' '{own_script(self._page)}'; style-src 'unsafe-inline'; "
                  "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
        return HTMLResponse(text, headers={"content-security-policy": policy, "cache-control": "no-store"})

    def _params(self, query: Mapping[str, str]) -> dict[str, Any]:
        user_id, text = query.get("user_id", ""), query.get("traits", "")
        shown = {"userId": user_id, "traitsText": text if user_id else _DEFAULT_TRAITS,
                 "unsigned": query.get("unsigned") == "yes"}
        if not user_id:
            return shown
        try:
            traits = orjson.loads(text) if text.strip() else {}
        except orjson.JSONDecodeError as error:
            return shown | {"error": f"the traits are not JSON (at character {error.pos})"}
        if not isinstance(traits, dict):
            return shown | {"error": "the traits must be a JSON object"}
        signed = self._secret is not None and not shown["unsigned"]
        hmac = {"hmac": signature(self._secret or "", user_id)} if signed else {}
        return shown | {"params": {"clientToken": self._token, "userId": user_id, "traits": traits, **hmac}}
