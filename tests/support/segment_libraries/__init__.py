"""What Segment's own libraries send for the calls of ``calls.json``: the one for Python as it is installed, the one for
Node as ``record_node.sh`` recorded it in ``node.json``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from segment.analytics.client import Client  # type: ignore[import-untyped]

from tests.support.webhook import Webhook

HERE = Path(__file__).parent
WRITE_KEY = "write-key"

Json = dict[str, Any]


def calls() -> list[Json]:
    """The calls in Segment's names; times are ISO 8601 in UTC, also among traits: ``{"instant": …}``."""
    found: list[Json] = json.loads((HERE / "calls.json").read_text("utf-8"))
    return found


def node_request() -> Json:
    """``path``, ``headers`` (authorization, content-type) and ``body`` of the request of the library for Node."""
    request: Json = json.loads((HERE / "node.json").read_text("utf-8"))["request"]
    return request


def python_request() -> Json:
    """The same of the library for Python, sent to a server of this machine."""
    with Webhook() as server:
        send_by_python(server.url("").rstrip("/"), WRITE_KEY)
        ((path, body),) = server.posted
        return {"path": path, "body": body,
                "headers": {"authorization": server.authorizations[0], "content-type": "application/json"}}


def send_by_python(url: str, write_key: str) -> None:
    """Make the calls with the library for Python; returns when they were sent, in one batch."""
    found = calls()
    client = Client(write_key, host=url, upload_size=len(found), max_retries=0)
    for call in found:
        words = {"user_id": call["userId"], "message_id": call["messageId"], "timestamp": _instant(call["timestamp"])}
        for name, ours in (("groupId", "group_id"), ("event", "event")):
            if name in call:
                words[ours] = call[name]
        for values in ("traits", "properties"):
            if values in call:
                words[values] = {name: _value(value) for name, value in call[values].items()}
        getattr(client, call["type"])(**words)
    client.shutdown()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _value(value: Any) -> Any:
    return _instant(value["instant"]) if isinstance(value, dict) else value
