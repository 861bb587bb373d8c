"""`candu-sync snippet` in a real page: the browser then sends what the warehouse sent, value for value."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.sync_api import Browser

from candu_sync.simulator import Simulator
from candu_sync.simulator.browser import signature
from tests.support.folder import Folder
from tests.support.serving import serve_folder

SECRET = "identity-secret"
EVIL = "</script><b>"


def test_the_snippet_of_a_user_makes_both_sides_equal(browser: Browser, tmp_path: Path) -> None:
    with Simulator(identity_secret=SECRET) as sim:
        project = Folder(tmp_path, sim)
        project.table("people", user_id=[EVIL, "u2"], label=["Zoë \u2028", "Ada"], seats=[3, 4], score=[0.1, 1e300],
                      active=[True, False])
        project.model("users/profile", "select *, timestamptz '2025-04-22 15:58:02Z' as since from people")
        assert project.cli("run", "users/profile").code == 0
        init = project.cli("snippet", "users/profile", "--user", EVIL, "--signed").out
        _serve(tmp_path / "page", sim, init)
        with serve_folder(tmp_path / "page") as address:
            page = browser.new_page()
            page.goto(address)
            page.wait_for_function("document.title === '200'")
            page.close()
        (user,) = httpx.get(f"{sim.page}_sim/browser").json()["users"]
    assert (user["user_id"], user["ways"]) == (EVIL, ["api", "browser"])
    assert {trait["name"]: trait["verdict"] for trait in user["traits"]} == dict.fromkeys(
        ["active", "label", "score", "seats", "since"], "same")


def _serve(folder: Path, sim: Simulator, init: str) -> None:
    call = init.strip().removesuffix(";").replace("YOUR_CLIENT_TOKEN", sim.client_token)
    call = call.replace("HMAC_OF_THE_USER_ID", signature(SECRET, EVIL))
    folder.mkdir()
    (folder / "index.html").write_text(
        f"<meta charset='utf-8'><script src='{sim.page}sdk/latest/candu.umd.js'></script>"
        f"<script>{call}.then(said => {{ document.title = said.status; }});</script>", "utf-8")
