"""The proxy that the environment names, as curl reads it."""

from __future__ import annotations

import pytest

from candu_sync.delivery.environment import proxy_for
from candu_sync.errors import SettingsError

API = "https://api.candu.ai/api"


@pytest.mark.parametrize(("environment", "named"), [
    ({}, None),
    ({"HTTPS_PROXY": "http://p:1"}, "the proxy p:1 (HTTPS_PROXY)"),
    ({"https_proxy": "http://q:2", "HTTPS_PROXY": "http://p:1"}, "the proxy q:2 (https_proxy)"),
    ({"https_proxy": "", "ALL_PROXY": "p:1"}, "the proxy p:1 (ALL_PROXY)"),
    ({"all_proxy": "http://u:secret@p"}, "the proxy p:80 (all_proxy)"),
    ({"http_proxy": "p:1"}, None)])
def test_which_variable_counts(environment: dict[str, str], named: str | None) -> None:
    found = proxy_for(API, environment)
    assert (found.described if found else None) == named
    assert "secret" not in repr(found)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765/api", "http://localhost:1/api", "http://[::1]:1/api",
                                 "http://127.9.9.9/api"])
def test_this_machine_needs_no_proxy(url: str) -> None:
    assert proxy_for(url, {"http_proxy": "p:1", "all_proxy": "p:1"}) is None


@pytest.mark.parametrize(("entry", "url", "covered"), [
    ("*", API, True), ("api.candu.ai", API, True), ("candu.ai", API, True), (".candu.ai", API, True),
    ("*.candu.ai", API, True), ("CANDU.AI.", API, True), ("ndu.ai", API, False), ("other.ai candu.ai", API, True),
    ("candu.ai:443", API, True), ("candu.ai:8443", API, False), ("candu.ai:8443", "https://candu.ai:8443/api", True),
    ("10.0.0.0/8", "https://10.1.2.3/api", True), ("10.0.0.0/8", "https://11.1.2.3/api", False),
    ("10.1.2.3", "https://10.1.2.3/api", True), ("fd00::/8", "https://[fd00::1]/api", True),
    ("[fd00::1]:443", "https://[fd00::1]/api", True), ("1.2.3", "https://9.1.2.3/api", False), ("", API, False),
    ("10.0.0.0/99", "https://10.1.2.3/api", False)])
def test_no_proxy(entry: str, url: str, covered: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        assert (proxy_for(url, {"https_proxy": "p:1", name: entry}) is None) == covered


@pytest.mark.parametrize("value", ["http://", "http://p:port", "ftp://p:1", "socks4://p:1", "http://p q:1"])
def test_what_is_no_proxy_is_one_sentence_that_names_the_variable(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY "):
        proxy_for(API, {"HTTPS_PROXY": value})


def test_socks_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"^ALL_PROXY names a SOCKS proxy, which needs the package socksio"):
        proxy_for(API, {"ALL_PROXY": "socks5://p:1"})
