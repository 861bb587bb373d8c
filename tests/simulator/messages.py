"""Messages as a sender writes them, and what posts them."""

from __future__ import annotations

from collections.abc import Callable

import httpx

Send = Callable[..., httpx.Response]


def identify(user_id: str, **traits: object) -> dict[str, object]:
    """An identify; without traits of its own it has a plan, since it must not be empty."""
    return {"type": "identify", "userId": user_id, "traits": traits or {"plan": "pro"}}


def track(user_id: str, event: str, message_id: str) -> dict[str, object]:
    return {"type": "track", "userId": user_id, "event": event, "messageId": message_id, "properties": {"n": 1}}
