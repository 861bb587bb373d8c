"""The environment's settings for the way to the destination: the proxy, and the files of certificates.

The variables are curl's (everything.curl.dev, "Proxy environment variables"):

    https_proxy, HTTPS_PROXY, http_proxy   the proxy of URLs of that kind; HTTP_PROXY is not read, as in curl
    all_proxy, ALL_PROXY                   of all others
    no_proxy, NO_PROXY                     hosts that are reached without it: names with all that end in them, with or
                                           without a port; addresses; networks like 10.0.0.0/8; * for every host

A value without a scheme, host:port, is an HTTP proxy. This machine itself is never reached by a proxy: the key would
leave it in plain text.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from candu_sync.errors import SettingsError

# Each kind of proxy with its usual port.
_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ProxyChoice:
    """A proxy, and the variable that names it.

    Attributes:
        url: with user and password, if it has them: a secret.
        variable: the environment's.
    """

    url: str = field(repr=False)
    variable: str

    @property
    def described(self) -> str:
        """For errors: the host and port, and the variable."""
        parts = urlsplit(self.url)
        port = parts.port or _PROXY_PORTS[parts.scheme]
        return f"the proxy {parts.hostname}:{port} ({self.variable})"


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> ProxyChoice | None:
    """The proxy by which a URL is reached; None: there is none.

    Raises:
        SettingsError: its variable holds no URL of a proxy, or one of a kind that is not supported. It is named, its
            value is not shown.

    Example:
        >>> proxy_for("https://api.candu.ai/api", {"HTTPS_PROXY": "proxy.example:3128"}).described
        'the proxy proxy.example:3128 (HTTPS_PROXY)'
        >>> proxy_for("https://api.candu.ai/api", {"ALL_PROXY": "http://p:1", "NO_PROXY": ".candu.ai"}) is None
        True
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    if is_this_machine(host):
        return None
    found = _named(parts.scheme, environment)
    if found is None or _bypassed(host, port, environment):
        return None
    return _checked(*found)


def is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost")


def check_certificates(environment: Mapping[str, str] = os.environ) -> None:
    """Raise SettingsError when a variable of certificates names a file or folder that is missing."""
    file, folder = environment.get("SSL_CERT_FILE", ""), environment.get("SSL_CERT_DIR", "")
    if file and not Path(file).is_file():
        raise SettingsError("SSL_CERT_FILE names a file that does not exist. Give a file of certificates (PEM), or "
                            "unset the variable")
    if file and not os.access(file, os.R_OK):
        raise SettingsError("SSL_CERT_FILE names a file that cannot be read. Give a file of certificates (PEM), or "
                            "unset the variable")
    if folder and not all(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise SettingsError("SSL_CERT_DIR names a folder that does not exist. Give a folder of certificates, or unset "
                            "the variable")


def bad_certificates(environment: Mapping[str, str] = os.environ) -> SettingsError:
    """The error of certificates that could not be loaded."""
    variable = "SSL_CERT_FILE" if environment.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
    return SettingsError(f"{variable} names what holds no certificates (PEM). Give a file of certificates, or unset "
                         "the variable")


def _named(scheme: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names the proxy, and its value; an empty one counts as not set."""
    names = ["http_proxy"] if scheme == "http" else [f"{scheme}_proxy", f"{scheme}_proxy".upper()]
    for name in (*names, "all_proxy", "ALL_PROXY"):
        if value := environment.get(name, "").strip():
            return name, value
    if environment is not os.environ or any(name.lower().endswith("_proxy") for name in environment):
        return None
    system = urllib.request.getproxies()  # of macOS and Windows
    of_system = system.get(scheme) or system.get("all")
    return ("the system's settings", of_system) if of_system else None


def _checked(variable: str, value: str) -> ProxyChoice:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        scheme, host = "", None
    if not host or not re.fullmatch(r"[!-~]+", url):
        raise SettingsError(f"{variable} is no URL of a proxy. Give it as http://host:port, or unset the variable")
    if scheme not in _PROXY_PORTS:
        raise SettingsError(f"{variable} names a proxy of the kind {scheme}://, which is not supported: there are "
                            f"{', '.join(_PROXY_PORTS)}")
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise SettingsError(f"{variable} names a SOCKS proxy, which needs the package socksio: pip install "
                            "'httpx[socks]', or give an HTTP proxy")
    return ProxyChoice(url, variable)


def _bypassed(host: str, port: int, environment: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names a host."""
    value = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return any(_covers(entry, host.lower().rstrip("."), port) for entry in re.split(r"[\s,]+", value.lower()) if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(entry, host)
    name, wanted = _split_port(entry)
    if wanted is not None and wanted != port:
        return False
    if _address(name) is not None or _address(host) is not None:
        return _address(name) is not None and _address(name) == _address(host)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _in_network(entry: str, host: str) -> bool:
    address = _address(host)
    try:
        return address is not None and address in ipaddress.ip_network(entry.replace("[", "").replace("]", ""), False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """An entry's host and port. An IPv6 address has its port behind brackets."""
    match = re.fullmatch(r"\[(?P<six>[^\]]*)\](?::(?P<sixport>\d{1,5}))?|(?P<name>[^:]*):(?P<port>\d{1,5})", entry)
    if match is None:
        return entry, None
    port = match["sixport"] or match["port"]
    return match["six"] if match["six"] is not None else match["name"], int(port) if port else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
