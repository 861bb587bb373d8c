"""Candu's script in a browser: what it sends, Signed Identities, and both sides of a user beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from candu_sync.simulator import Simulator
from candu_sync.simulator.browser import signature
from tests.simulator.messages import Send, identify
from tests.support.serving import serve_folder

SECRET = "identity-secret"


@pytest.fixture(scope="module")
def with_secret() -> Iterator[Simulator]:
    with Simulator(identity_secret=SECRET) as simulator:
        yield simulator


@pytest.fixture
def signed(with_secret: Simulator) -> Simulator:
    """Signed Identities are switched on."""
    with_secret.reset()
    return with_secret


def call(sim: Simulator, user_id: str, *events: object, headers: dict[str, str] | None = None,
         **more: object) -> httpx.Response:
    body = {"clientToken": sim.client_token, "userId": user_id, "events": events} | more
    return httpx.post(f"{sim.url}/batchEvent", json=body, headers=headers)


def identified(**traits: object) -> dict[str, object]:
    return {"type": "identify", "traits": traits}


def visit(page: Page, sim: Simulator, **query: str) -> None:
    """Load the sample page; returns when the script's call was answered."""
    page.goto(f"{sim.page}sample?{httpx.QueryParams(query)}")
    page.locator("#answer").and_(page.locator(".good, .bad")).wait_for()


def test_an_identify_of_the_script_merges_with_what_the_api_sent(sim: Simulator, send: Send) -> None:
    send(identify("u1", plan="pro"))
    assert call(sim, "u1", identified(plan="free", locale="de"), {"type": "track", "event": "Seen"}).is_success
    assert sim.users() == {"u1": {"plan": "free", "locale": "de"}}
    assert [event["event"] for event in sim.events()] == ["Seen"]
    assert call(sim, "u2", identified()).is_success
    assert sim.users()["u2"] == {}, "a page may identify its user without traits"


@pytest.mark.parametrize(("more", "status", "error"), [
    ({"clientToken": "another"}, 403, "clientToken: not this workspace's"),
    ({"userId": 7}, 400, "userId: required, as a string"),
    ({"userId": " "}, 400, "userId: must not be blank"),
    ({"events": []}, 400, "events: must be an array that is not empty"),
    ({"events": ["x"]}, 400, "an event must be a JSON object"),
    ({"events": [identified(tags=["a"])]}, 400, "traits.tags: must be a string"),
    ({"events": [{"type": "group", "groupId": "g1"}]}, 400, "type: the script sends no group calls"),
    ({"variables": {"a": 1}}, 400, "'variables': unknown field"),
])  # fmt: skip
def test_a_call_of_another_form_is_refused(sim: Simulator, more: dict[str, Any], status: int, error: str) -> None:
    answer = call(sim, "u1", identified(plan="pro"), **more)
    assert (answer.status_code, error in answer.json()["error"]) == (status, True)
    assert sim.users() == {}


@pytest.mark.parametrize("sent", [None, "", 7, "0" * 64, signature(SECRET, "u2"), signature("another", "u1")])
def test_without_a_valid_hmac_no_identify_call_is_stored(signed: Simulator, sent: object) -> None:
    answer = call(signed, "u1", identified(plan="pro"), hmac=sent)
    assert (answer.status_code, signed.users()) == (403, {})
    assert signed.stats()["browser"] == {"taken": 0, "unsigned": 1}
    assert call(signed, "u1", identified(plan="pro"), hmac=signature(SECRET, "u1")).is_success
    assert signed.stats()["browser"] == {"taken": 1, "unsigned": 1}


def test_signed_identities_are_about_identify_calls_of_the_browser(signed: Simulator) -> None:
    assert call(signed, "u1", {"type": "track", "event": "Seen"}).is_success
    answer = httpx.post(f"{signed.url}/eventWebhook", json=identify("u1"),
                        headers={"authorization": f"Bearer {signed.key}"})
    assert answer.is_success, "whether the REST API is exempt is not published; the simulator exempts it"


def test_signed_identities_are_switched_on_and_off_while_it_runs(sim: Simulator, signed: Simulator) -> None:
    sim.assume(signed_identities=True)
    assert call(sim, "u1", identified(plan="pro"), hmac=signature(SECRET, "u1")).status_code == 403
    signed.assume(signed_identities=False)
    assert call(signed, "u1", identified(plan="pro")).is_success
    signed.reset()
    assert call(signed, "u1", identified(plan="pro")).status_code == 403


def test_pages_of_this_machine_may_call_and_others_may_not(sim: Simulator) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for origin, status in (("http://localhost:3000", 200), ("https://evil.example", 400)):
        answer = httpx.options(f"{sim.url}/batchEvent", headers=preflight | {"origin": origin})
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (
            status, origin if status == 200 else None)
    assert call(sim, "u1", identified(plan="pro"), headers={"origin": "https://evil.example"}).status_code == 403
    assert sim.users() == {}
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert httpx.get(f"{sim.page}sample?user_id=u1", headers=elsewhere).status_code == 403
    assert httpx.get(f"{sim.page}sample", headers=elsewhere).is_success, "a link to the empty page does no harm"
    assert httpx.get(f"{sim.page}sample?user_id=u1").is_success


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    assert faults == []


def test_a_real_browser_sends_what_init_was_given(signed: Simulator, page: Page) -> None:
    visit(page, signed, user_id="u1", traits='{"plan": "free", "seats": 3}')
    expect(page.locator("#init")).to_contain_text(f'"hmac": "{signature(SECRET, "u1")}"')
    page.locator("#track").click()
    expect(page.locator("#answer")).to_have_text("track was answered with 200")
    assert signed.users() == {"u1": {"plan": "free", "seats": 3}}
    assert [(event["event"], event["properties"]) for event in signed.events()] == [
        ("Report exported", {"format": "csv"})]
    assert SECRET not in page.content()


def test_a_real_browser_without_the_hmac_is_refused_and_the_page_says_so(signed: Simulator, page: Page) -> None:
    visit(page, signed, user_id="u1", traits='{"plan": "free"}', unsigned="yes")
    expect(page.locator("#answer")).to_contain_text("init was answered with 403: hmac: not that of this user")
    assert signed.users() == {}
    page.goto(signed.page)
    expect(page.locator("#tiles")).to_contain_text("1unsigned identifies")


def test_what_a_person_typed_stays_text(sim: Simulator, page: Page) -> None:
    evil = "</script><img src=x onerror=\"document.title='owned'\">"
    visit(page, sim, user_id=evil, traits=json.dumps({evil: evil}))
    assert sim.users() == {evil: {evil: evil}}
    page.goto(sim.page)
    expect(page.locator("#browser")).to_contain_text("onerror")
    assert (page.locator("main img").count(), page.title()) == (0, "Candu simulator")


def test_traits_that_are_no_json_send_nothing(sim: Simulator, page: Page) -> None:
    for text, error in (('{"plan": ', "the traits are not JSON"), ("[1]", "must be a JSON object")):
        visit(page, sim, user_id="u1", traits=text)
        expect(page.locator("#answer")).to_contain_text(error)
    assert sim.users() == {}


def test_a_product_of_ones_own_at_another_port(sim: Simulator, page: Page, tmp_path: Path) -> None:
    """The snippet of Candu's help with the simulator's address; secrets among ``variables`` stay in the page."""
    params = {"clientToken": sim.client_token, "userId": 17, "traits": {"plan": "pro"}, "variables": {"pin": "s3cret"}}
    (tmp_path / "index.html").write_text(f"""<script>(function (d, params) {{
      var script = d.createElement('script');
      script.setAttribute('src', '{sim.page}sdk/latest/candu.umd.js?token=' + params.clientToken);
      script.onload = function () {{ Candu.init(params).then(function (said) {{ d.title = said.status; }}); }};
      d.head.appendChild(script);
    }})(document, {json.dumps(params)});</script>""")
    with serve_folder(tmp_path) as address:
        page.goto(address)
        page.wait_for_function("document.title === '200'")
    assert sim.users() == {"17": {"plan": "pro"}}
    assert "s3cret" not in str(sim.requests())


def test_a_visitor_without_an_id_is_not_identified_until_eventing_does_it(signed: Simulator, page: Page) -> None:
    page.goto(f"{signed.page}sample")
    page.add_script_tag(url=f"{signed.page}sdk/latest/candu.umd.js")
    page.evaluate("token => Candu.init({clientToken: token, traits: {plan: 'pro'}})", signed.client_token)
    page.evaluate("Candu.getEventing().track('Seen')")
    page.evaluate("Candu.getEventing().page('Home')")
    assert signed.requests() == []
    said = page.evaluate("Candu.getEventing().identify('u1', {plan: 'pro'})")
    assert (said["status"], signed.users()) == (403, {}), "eventing has no place for an HMAC"
    signed.assume(signed_identities=False)
    assert page.evaluate("Candu.getEventing().identify('u1', {plan: 'pro'})")["success"]
    assert signed.users() == {"u1": {"plan": "pro"}}


def test_both_sides_of_a_user_stand_beside_each_other(sim: Simulator, send: Send, page: Page) -> None:
    send(identify("u1", plan="pro", seats=3, mrr=9.0, admin=True), identify("u9", plan="pro"))
    call(sim, "u1", identified(plan="free", seats="3", mrr=9, locale="de"))
    call(sim, "U9 ", identified(plan="pro"))
    other, user = httpx.get(f"{sim.page}_sim/browser").json()["users"]
    assert {trait["name"]: trait["verdict"] for trait in user["traits"]} == {
        "plan": "differs", "seats": "type", "mrr": "same", "admin": "only", "locale": "only"}
    assert (user["ways"], other["ways"], other["alike"]) == (["api", "browser"], ["browser"], ["u9"])
    page.goto(sim.page)
    beside = page.locator(".beside").filter(has_text="u1")
    expect(beside.locator("tr.differs")).to_have_text("planprofreediffers")
    expect(beside.locator("tr.type")).to_have_text('seats3"3"other type')
    expect(beside).to_contain_text("2 differences, 2 traits from one side only")
    expect(page.locator("#browser")).to_contain_text("the warehouse sent nothing for this id")
    expect(page.locator("#browser")).to_contain_text("the warehouse has u9: the ids differ by case or spaces")
