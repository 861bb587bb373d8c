"""Segment's HTTP Tracking API (its docs, "HTTP API Source").

    POST {url}/v1/batch   {"batch": [messages], "context": {"library": {"name": …, "version": …}}}
    Authorization: Basic base64("<write key>:")

- At most 500 KB and 2,500 messages in a request, and 32 KB in a message. A request with more messages is answered with
  a 200, and its messages are dropped.
- The context of the request is merged with that of each message.
- 200: Segment has the messages in its queue. That is its answer to almost everything, to most wrong write keys too.
- 400: too large, or no JSON. Segment answers some malformed write keys with it. So a refusal is a row's fault only once
  something was accepted.
- 429: the header Retry-After or X-RateLimit-Reset has the seconds to wait.
- No request is documented that proves a write key without sending data. The probe proves that the host answers.

docs/segment.md says what of it is documented, and what is assumed.
"""

from __future__ import annotations

import base64
from importlib.metadata import version

import orjson

from candu_sync.delivery.answers import Reply, destination_trouble, transient
from candu_sync.delivery.connection import HttpConnection
from candu_sync.delivery.destination import PASSING, Destination
from candu_sync.delivery.words import Words
from candu_sync.routes import SEGMENT

_CONTEXT = {"library": {"name": "candu-sync", "version": version("candu-sync")}}

# Of AWS's load balancers: the client closed the connection. Segment's own libraries try again.
_CLIENT_CLOSED = 460

# Of a proxy or a login page in between.
_PROXY_LOGIN = 407

# What a refusal may come with: a 2xx, too, whose body says that the request failed.
_REFUSALS = frozenset(range(200, 500))


def judge_host(reply: Reply, destination: Destination, place: str, words: Words) -> None:
    """What an answer of Segment's host to a read without a key means. Any answer but these shows that it is there.

    Raises:
        DestinationTrouble: a redirect, or a proxy that wants a password.
        Transient: 429, 5xx and the like.
    """
    if reply.status in destination.passing or reply.status >= 500:
        raise transient(reply, destination, place, words)
    if 300 <= reply.status < 400 or reply.status == _PROXY_LOGIN:
        raise destination_trouble(reply, destination, place, words)


class Segment(HttpConnection):
    """One connection to Segment, for one thread. Its probe proves that the host answers, and nothing of the key.

    Args:
        url: the region's host, `https://api.segment.io`.
        key: the write key of a source.

    Example:
        >>> with Segment(simulator.segment_url, "simulator") as segment:
        ...     segment.probe()
        ...     segment.send(b'[{"type": "identify", "userId": "u1", "traits": {"plan": "pro"}}]', 1)
        >>> simulator.users()
        {'u1': {'plan': 'pro'}}
    """

    destination = Destination(
        route=SEGMENT, send_path="v1/batch", probe_path="v1/batch", judge_probe=judge_host, probe_with_key=False,
        authorization=lambda key: f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}",
        before=b'{"batch":', after=b',"context":' + orjson.dumps(_CONTEXT) + b"}",
        passing=PASSING | {_CLIENT_CLOSED}, wait_headers=("retry-after", "x-ratelimit-reset"),
        unproven=_REFUSALS)
