"""Ask the simulator that answers at Candu's URL, where it is on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

_SECONDS = 10


def on_this_machine(api_url: str) -> bool:
    """Whether Candu's URL is one that a simulator may answer at.

    Example:
        >>> on_this_machine("http://127.0.0.1:8800/api"), on_this_machine("https://api.candu.ai/api")
        (True, False)
    """
    url = urlsplit(api_url)
    host = url.hostname or ""
    try:
        return url.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def read_simulator(api_url: str, path: str) -> Any:
    """What the simulator shows below ``/_sim``; None: it has nothing of that name, or no simulator answers there.

    Args:
        path: like ``users/u1``, quoted.
    """
    return _ask("GET", api_url, path)


def change_assumptions(api_url: str, changes: Mapping[str, object]) -> bool:
    """Change what the simulator assumes of Candu; False: no simulator answers there."""
    return _ask("POST", api_url, "assumptions", json.dumps(changes).encode()) is not None


def forget_user(api_url: str, user_id: str) -> int | None:
    """Remove a user from the simulator: traits, memberships, messages.

    Returns:
        The rows that were removed; None: no simulator answers there.
    """
    answer = _ask("DELETE", api_url, f"users/{quote(user_id, safe='')}")
    removed = answer.get("removed") if isinstance(answer, dict) else None
    return removed if isinstance(removed, int) else None


def _ask(method: str, api_url: str, path: str, body: bytes | None = None) -> Any:
    """The JSON of an answer; None: there is none."""
    url = urlsplit(api_url)
    headers = {} if body is None else {"content-type": "application/json"}
    request = Request(f"{url.scheme}://{url.netloc}/_sim/{path}", body, headers, method=method)
    try:
        # A proxy of the environment is for other machines.
        with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            return json.loads(answer.read())
    except (URLError, OSError, ValueError):
        return None
