"""Our messages through Segment beside those of Segment's own libraries, for the same calls: field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Lab
from tests.support.segment_libraries import WRITE_KEY, Json, calls, node_request, python_request
from tests.support.webhook import Webhook

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "segment.md"
CONSTRAINTS = ROOT / "constraints.txt"
REQUESTS = {"python": python_request, "node": node_request}

# The same rows as in calls.json.
MODELS = {
    "identify": ("users/profile", """select 'u1' as user_id, 'ada@example.com' as email, 'Zoë "Z" 🚀 </script>' as name,
        3 as seats, true as active, 0.1::double as score, 9007199254740991 as largest, 5e-324::double as smallest,
        830 as "total billed", timestamptz '2025-04-22 15:58:02Z' as "signed up" """),
    "group": ("groups/accounts", "select 'g1' as group_id, 'u1' as user_id, 'pro' as plan, 420 as employees"),
    "track": ("events/upgrades", """select 'e1' as event_id, 'u1' as user_id, 'Upgraded plan' as event,
        timestamptz '2026-01-02 03:04:05Z' as timestamp, 5 as seats, 'SPRING' as coupon"""),
}

# Fields that the libraries send and we do not. Segment's spec has each of them as optional. "request.": beside `batch`.
BOTH = {"request.sentAt", "request.writeKey", "integrations"}
LIBRARIES_ONLY = {"python": BOTH | {"anonymousId"}, "node": BOTH | {"_metadata.nodeVersion", "_metadata.jsRuntime"}}
# Segment stamps a message without a timestamp with the time of its arrival.
STAMPED_BY_SEGMENT = {"identify": {"timestamp"}, "group": {"timestamp"}, "track": set[str]()}
# One instant, written in another way; and what is each sender's own.
INSTANTS = {"timestamp", "traits.signed up"}
OWN = {"messageId", "context.library.name", "context.library.version"}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """Our request for each call, by its type."""
    with Webhook() as server:
        lab = Lab(tmp_path_factory.mktemp("project"), route="segment", segment_write_key=WRITE_KEY,
                  segment_api_url=server.url("").rstrip("/"))
        lab.table("nothing", a=[1])
        for name, sql in MODELS.values():
            assert lab.run(lab.sync(name, sql)).accepted == 1
        return {kind: {"path": path, "body": body, "authorization": authorization} for kind, (path, body), authorization
                in zip(MODELS, server.posted, server.authorizations, strict=True)}


@pytest.fixture(scope="module", params=REQUESTS)
def library(request: pytest.FixtureRequest) -> tuple[str, Json]:
    """Its language, and its one request with all calls."""
    return request.param, REQUESTS[request.param]()


def fields(message: Json, body: Json) -> Json:
    """The value of each field of a message as Segment has it: the context of a request is merged with its messages'.
    """
    merged = message | {"context": body.get("context", {}) | message.get("context", {})}
    around = {f"request.{name}": value for name, value in body.items() if name not in ("batch", "context")}
    return dict(_leaves("", merged)) | around


def _leaves(prefix: str, value: Json) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(f"{prefix}{name}.", inner)
        else:
            yield f"{prefix}{name}", inner


def test_the_request(ours: dict[str, Json], library: tuple[str, Json]) -> None:
    _, theirs = library
    for request in ours.values():
        assert request["path"] == theirs["path"] == "/v1/batch"
        assert request["authorization"] == theirs["headers"]["authorization"]


@pytest.mark.parametrize(("index", "kind"), list(enumerate(MODELS)))
def test_each_field_of_a_message(ours: dict[str, Json], library: tuple[str, Json], index: int, kind: str) -> None:
    language, request = library
    theirs = fields(request["body"]["batch"][index], request["body"])
    (message,) = ours[kind]["body"]["batch"]
    sent = fields(message, ours[kind]["body"])
    assert theirs["type"] == calls()[index]["type"] == kind
    assert theirs.keys() - sent.keys() == LIBRARIES_ONLY[language] | STAMPED_BY_SEGMENT[kind]
    assert sent.keys() - theirs.keys() == set()
    for name, value in sent.items():
        assert type(value) is type(theirs[name]), name
        if name in INSTANTS:
            assert datetime.fromisoformat(value) == datetime.fromisoformat(theirs[name]), name
        elif name not in OWN:
            assert value == theirs[name], name


def test_the_page_lists_what_differs() -> None:
    section = PAGE.read_text("utf-8").partition("## Beside Segment's own libraries")[2].partition("\n## ")[0]
    differ = {name.removeprefix("request.").split(".")[0] for names in LIBRARIES_ONLY.values() for name in names}
    assert differ | {"timestamp", "messageId", "context"} <= set(re.findall(r"`(\w+)`", section))
    (pinned,) = re.findall(r"^segment-analytics-python==(\S+)$", CONSTRAINTS.read_text("utf-8"), re.MULTILINE)
    recorded = node_request()["body"]["batch"][0]["context"]["library"]["version"]
    assert f"segment-analytics-python {pinned}" in section
    assert f"@segment/analytics-node {recorded}" in section
