"""The simulator's HTML pages: each is one file with one script of its own, which a browser knows by its hash."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files


def read_page(name: str) -> str:
    """The text of a page of this folder."""
    return files("candu_sync.simulator").joinpath(name).read_text("utf-8")


def own_script(page: str) -> str:
    """The hash of the page's own script, for ``script-src`` of a Content-Security-Policy: markup in the page's data
    stays text."""
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    return f"sha256-{base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()}"
