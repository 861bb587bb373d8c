"""The page in a real browser: it shows what arrived, and what arrived stays text."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from candu_sync.simulator import Simulator
from tests.simulator.messages import Send, identify, track


@pytest.fixture
def page(sim: Simulator, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(sim.page)
    yield page
    page.close()
    assert faults == []


def test_only_its_own_script_may_run(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "innerHTML" not in answer.text


def test_an_empty_page_says_what_to_do(page: Page) -> None:
    expect(page.locator("#users")).to_contain_text("No users yet.")
    expect(page.locator("#last")).to_contain_text("Set CANDU_API_URL")
    expect(page.locator("#live")).to_have_text("live")


def test_what_arrives_appears_by_itself(sim: Simulator, send: Send, page: Page) -> None:
    send(*[identify(f"u{n:02}", plan="pro" if n == 33 else "free", seats=n) for n in range(40)])
    send({"type": "group", "groupId": "g1", "userId": "u01", "traits": {"mrr": 99.5}})
    sim.fault("status", status=503, times=2)
    send(track("u01", "Report exported", "m1"))
    sim.clear_faults()
    send(track("u01", "Report exported", "m1"))
    sim.fault("delay", seconds=0.5)
    expect(page.locator("#users tbody tr")).to_have_count(10)
    expect(page.locator("#users-pager")).to_contain_text("1–10 of 40")
    expect(page.locator("#groups")).to_contain_text("1 member: u01")
    expect(page.locator("#events")).to_contain_text("Report exported")
    expect(page.locator("#last pre")).to_contain_text('"event": "Report exported"')
    expect(page.locator("#requests")).to_contain_text("fault: status 503")
    expect(page.locator("#faults")).to_contain_text("seconds 0.5")


def test_by_which_way_values_came_and_what_segment_dropped(sim: Simulator, send: Send, page: Page) -> None:
    send(identify("u1", plan="pro"))
    messages = [identify("u1", plan="free"), {"type": "track", "userId": "u1"}]
    answer = httpx.post(f"{sim.segment_url}/v1/batch", json={"batch": messages, "writeKey": sim.write_key})
    assert answer.status_code == 200
    page.reload()
    expect(page.locator("#users .way")).to_have_text(["api", "segment"])
    expect(page.locator("#tiles")).to_contain_text("1dropped by Segment")
    expect(page.locator("#last")).to_contain_text("dropped: message 1: event: required for track")


def test_search_and_pages(send: Send, page: Page) -> None:
    send(*[identify(f"u{n:02}", plan="pro" if n == 33 else "free") for n in range(40)])
    page.get_by_label("Next users").click()
    expect(page.locator("#users-pager")).to_contain_text("11–20 of 40")
    page.get_by_label("Search users").fill("pro")
    expect(page.locator("#users tbody tr")).to_have_count(1)
    expect(page.locator("#users")).to_contain_text("u33")


def test_markup_in_ids_names_and_values_stays_text(sim: Simulator, send: Send, page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    send(identify(evil, **{evil: evil}))
    send({"type": "group", "groupId": evil, "userId": evil, "traits": {evil: evil}})
    send({"type": "track", "userId": evil, "event": evil, "properties": {evil: evil}})
    send(identify("u1") | {evil: 1})
    sim.fault("refuse", user_ids=[evil])
    for part in ("users", "groups", "events", "faults", "requests", "last"):
        expect(page.locator(f"#{part}")).to_contain_text("onerror")
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Candu simulator"


def test_it_says_when_the_simulator_is_gone(browser: Browser) -> None:
    simulator = Simulator()
    simulator.start()
    page = browser.new_page()
    page.goto(simulator.page)
    expect(page.locator("#live")).to_have_text("live")
    simulator.stop()
    expect(page.locator("#live")).to_contain_text("does not answer")
    page.close()
