"""A version's file: what is written is read back, whatever its age."""

from __future__ import annotations

import json

import pytest

from candu_sync.state.versions import EventTimes, File, RowIdentity, Version, decode, encode

TIMES = EventTimes("2026-11-01T00:00:00.000000+00:00", "2026-11-02T00:00:00.000000+00:00",
                   "2026-11-01T12:00:00.000000+00:00")
VERSION = Version(
    number=3, run_id="run-3", at="2026-11-03T00:00:00+00:00", kind="events", traits=(("plan", "text"),), rows=5,
    newest="2026-11-02T00:00:00+00:00", files={"base": File("users.model/-/data/base.arrow", 12, "ab")}, events=TIMES,
    identity=RowIdentity(("user_id", "timestamp"), "Europe/Paris", "daily", (("id", "'x' || id"), ())))


@pytest.mark.parametrize("version", [VERSION, Version(number=1)])
def test_what_is_written_is_read_back(version: Version) -> None:
    assert decode(encode(version)) == version


def test_a_version_from_before_the_identity_of_rows() -> None:
    body = json.loads(encode(VERSION))
    del body["identity"], body["events"]
    read = decode(json.dumps(body).encode())
    assert (read.identity, read.events, read.files) == (None, None, VERSION.files)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"number": 1}', b'{"number": 1, "files": {}, "traits": 5}'])
def test_what_is_no_version(body: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(body)
