"""What Candu's script in a browser sends, and Signed Identities.

Candu's developer docs, "Javascript API": ``Candu.init({clientToken, userId, traits, hmac, variables, callbacks})``. Its
help, "Enabling Identity Verification": the HMAC is made of the user's id by SHA-256 with the workspace's secret key,
and without a valid one Candu "will not store identify calls" once it is switched on. "Segmentation FAQs": the call
``batchEvent`` then fails with 403.

How the script writes that call is not published. Assumed, for the script of this simulator alone: one JSON object of
``clientToken``, ``userId``, ``hmac`` and ``events``; and that the HMAC is written as lowercase hexadecimal digits.
"""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from starlette.requests import Request

from candu_sync.simulator.api import refused
from candu_sync.simulator.assumptions import Assumed
from candu_sync.simulator.client import on_this_machine
from candu_sync.simulator.contract import ContractError, Message, batches_of, check_message, read_json
from candu_sync.simulator.endpoint import Examined
from candu_sync.simulator.store import Way

_ENVELOPE = frozenset({"clientToken", "userId", "hmac", "events"})
# A page without traits identifies its user all the same; the contract of the REST API asks for one.
_ANY_TRAIT = {"traits": {"any": True}}
_UNSIGNED = ContractError("hmac: not that of this user; no identify call is stored without it", status=403)


def signature(secret: str, user_id: str) -> str:
    """The HMAC of a user's id, as a customer's server makes it for ``Candu.init``.

    Example:
        >>> signature("secret", "u1")[:8]
        '8a629605'
    """
    return hmac.new(secret.encode(), user_id.encode(), "sha256").hexdigest()


class BrowserApi:
    """The call ``batchEvent`` of the script. ``assumed`` says whether Signed Identities are on; ``secret``: the key of
    their HMAC; None: no HMAC is valid."""

    way: Way = "browser"
    wait_headers: tuple[str, ...] = ("retry-after",)

    def __init__(self, token: str, secret: str | None, assumed: Assumed) -> None:
        self._token = token
        self._secret = secret
        self._assumed = assumed

    def examine(self, request: Request, body: bytes, size: int) -> Examined:
        """See ``endpoint.Api``."""
        try:
            _check_page(request)
            call = _call(request.headers.get("content-type", ""), body, size)
            if call["clientToken"] != self._token:
                raise ContractError("clientToken: not this workspace's", status=403)
            messages = [_message(event, call, index) for index, event in enumerate(call["events"])]
        except ContractError as problem:
            return refused(problem)
        unsigned = 0 if self._is_signed(call) else sum(message["type"] == "identify" for message in messages)
        if unsigned:
            return refused(_UNSIGNED, {"browser.unsigned": unsigned})
        return Examined(batches=batches_of(messages), messages=len(messages), counts={"browser.taken": len(messages)})

    def _is_signed(self, call: Message) -> bool:
        if not self._assumed.now.signed_identities:
            return True
        sent = call.get("hmac")
        if self._secret is None or not isinstance(sent, str):
            return False
        return hmac.compare_digest(sent.encode(), signature(self._secret, call["userId"]).encode())


def _check_page(request: Request) -> None:
    """A customer's own page on this machine may call; a page of the web may not."""
    origin = request.headers.get("origin")
    if origin is not None and not on_this_machine(origin):
        raise ContractError("only pages of this machine may call the simulator", status=403)


def _call(content_type: str, body: bytes, size: int) -> Message:
    call = read_json(content_type, body, size)
    if not isinstance(call, dict):
        raise ContractError("the body must be a JSON object")
    unknown = sorted(call.keys() - _ENVELOPE)
    if unknown:
        raise ContractError(f"{unknown[0]!r:.80}: unknown field")
    for name in ("clientToken", "userId"):
        if not isinstance(call.get(name), str):
            raise ContractError(f"{name}: required, as a string")
    if not isinstance(call.get("events"), list) or not call["events"]:
        raise ContractError("events: must be an array that is not empty")
    return call


def _message(event: Any, call: Message, index: int) -> Message:
    if not isinstance(event, dict):
        raise ContractError("an event must be a JSON object", index=index)
    message = event | {"userId": call["userId"]}
    checked = message | _ANY_TRAIT if message.get("traits") == {} else message
    if check_message(checked, orjson.dumps(message), index) == "group":
        raise ContractError("type: the script sends no group calls", index=index)
    return message
