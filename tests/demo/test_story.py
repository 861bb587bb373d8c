"""The demo's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.demo.story import settings
from candu_sync.routes import ROUTES
from candu_sync.settings import load_settings


def test_by_each_route_messages_stay_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own route and write key would send the made-up people to their real source."""
    for name, value in {"CANDU_ROUTE": "segment", "SEGMENT_WRITE_KEY": "real", "CANDU_API_KEY": "real",
                        **settings(tmp_path, "http://127.0.0.1:8800/api")}.items():
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert {name: found.url_of(route) for name, route in ROUTES.items()} == {
        "candu": "http://127.0.0.1:8800/api", "segment": "http://127.0.0.1:8800"}
    assert "real" not in {found.key_of(route) for route in ROUTES.values()}
