"""Ask the simulator that answers at Candu's URL, where it is on this machine."""

from __future__ import annotations

import json
from ipaddress import ip_address
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


def forget_user(api_url: str, user_id: str) -> int | None:
    """Remove a user from the simulator: traits, memberships, messages.

    Returns:
        The rows that were removed; None: no simulator answers there.
    """
    url = urlsplit(api_url)
    request = Request(f"{url.scheme}://{url.netloc}/_sim/users/{quote(user_id, safe='')}", method="DELETE")
    try:
        # A proxy of the environment is for other machines.
        with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            removed = json.loads(answer.read())["removed"]
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return None
    return removed if isinstance(removed, int) else None
