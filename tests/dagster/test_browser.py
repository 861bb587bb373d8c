"""Dagster's pages in a real browser, with its webserver and its daemon: what a person sees, and does, all day."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from candu_sync.simulator import Simulator
from tests.dagster.live import Live, instance_of, live, until
from tests.dagster.room import Room

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
needs_browser = pytest.mark.skipif(not Path(CHROMIUM).is_file(), reason="no chromium on this machine")

PAIRS = ["2026-11-01|trial", "2026-11-02|trial", "2026-11-02|won"]
SEGMENT = "select user_id, segment from members where segment = :partition"
BACKFILL = """mutation($wanted: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $wanted) {
    __typename ... on LaunchBackfillSuccess { backfillId } } }"""
RUNS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
    status runs { status startTime endTime tags { key value } } } } }"""
RUN = """mutation($wanted: ExecutionParams!) { launchPipelineExecution(executionParams: $wanted) {
    __typename ... on LaunchRunSuccess { run { runId } } } }"""


@dataclass
class World:
    """A project with some history in Dagster, and Dagster running on it."""

    room: Room
    dagster: Live
    backfill: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two ordinary days, and a third on which the model went wrong; a segment that is sent, and one that is new."""
    folder = tmp_path_factory.mktemp("world")
    with Simulator() as simulator, pytest.MonkeyPatch.context() as patch:
        with instance_of(Room(folder, simulator, None)) as instance:  # type: ignore[arg-type]
            room = Room(folder, simulator, instance)
            for name, value in room.environment().items():
                patch.setenv(name, value)
            patch.chdir(folder)
            _history(room)
        with live(room) as dagster:
            yield World(room, dagster, _backfill(dagster))


def _history(room: Room) -> None:
    room.table("people", user_id=[f"u{n:03}" for n in range(120)], plan=["free"] * 120, seats=[1] * 120)
    room.sync("users/people", "-- Who pays, and for what\nselect * from people",
              "deps: [dim_users]\nowners: [team:growth]")
    both = ("candu/users/people_changes", "candu/users/people")
    room.materialize(*both)
    room.query("update people set seats = 2 where user_id < 'u012'")
    room.materialize(*both)
    room.query("update people set plan = 'none' where user_id < 'u090'")
    room.materialize(*both)
    room.table("members", user_id=["ada", "bo", "dee"], segment=["trial", "won", "lost"])
    room.sync("users/segments", SEGMENT,
              "partitions: {dynamic: segments, values: select distinct segment from members}")
    room.instance.add_dynamic_partitions("segments", ["trial"])
    room.materialize("candu/users/segments_changes", "candu/users/segments", partition="trial")
    room.sync("users/days", f"{SEGMENT} and :window_start < now()",
              "partitions: {daily: 2026-11-01, static: [trial, won]}")
    (room.sql / "users" / "broken.sql").write_text("select 1 as user_id")
    (room.sql / "users" / "broken.yaml").write_text("guards: {max_changed: 1}\n")


def _backfill(dagster: Live) -> str:
    """Ask for one, as the page's dialog does. The daemon begins with it within half a minute."""
    wanted = {"assetSelection": [{"path": ["candu", "users", name]} for name in ("days_changes", "days")],
              "partitionNames": PAIRS}
    return str(dagster.ask(BACKFILL, wanted=wanted)["launchPartitionBackfill"]["backfillId"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield browser
        browser.close()


@pytest.fixture
def page(world: World, browser: Browser) -> Iterator[Page]:
    """A page of Dagster's, on which nothing may go wrong: no error of its script or its server, no toast of one."""
    page = browser.new_page(viewport={"width": 1500, "height": 1600}, base_url=world.dagster.url)
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
    yield page
    faults += page.locator("[class*=toast-intent-danger]").all_inner_texts()
    page.close()
    assert faults == []


@needs_browser
def test_the_graph_leads_from_upstream_over_the_changes_and_their_guard_to_candu(page: Page) -> None:
    page.goto("/locations/dagster_defs.definitions/asset-groups/candu_users/lineage")
    nodes = page.locator("[class*=AssetNode_assetNodeBox]")
    expect(nodes.filter(has_text="people")).to_have_count(2)
    expect(nodes.filter(has_text="people").filter(has_text="1 / 2 Passed")).to_have_count(1)
    expect(page.get_by_text("dim_users")).to_be_visible()
    for kind in ("SQL", "DuckDB", "candu"):
        expect(page.get_by_text(kind, exact=True).first).to_be_attached()


@needs_browser
def test_the_page_of_the_changes_says_what_would_be_sent_and_why_it_is_not(page: Page) -> None:
    page.goto("/assets/candu/users/people_changes")
    expect(page.get_by_text("Who pays, and for what", exact=True)).to_be_visible()
    expect(page.locator("a", has_text="people.sql")).to_be_visible()
    row = page.locator("tr")
    expect(row.filter(has_text=re.compile("^plan90$"))).to_be_visible()
    expect(row.filter(has_text=re.compile("^change ratio.*0.75$"))).to_be_visible()
    expect(row.filter(has_text=re.compile("^usual change ratio.*highest 10.00%, over the last 1 run$"))).to_be_visible()
    expect(page.get_by_text("select * from people").first).to_be_visible()
    page.get_by_text("Checks", exact=True).click()
    expect(page.get_by_text("90 of 120 rows changed (75.0%), max_changed is 50.0%")).to_be_visible()
    expect(page.get_by_text("allow: [changed]")).to_be_visible()


@needs_browser
def test_the_launchpad_has_force_and_a_reason(page: Page) -> None:
    page.goto("/assets/candu/users/people")
    page.locator("button", has_text="Materialize").first.click(modifiers=["Shift"])
    for field in ("force: false", 'reason: ""'):
        expect(page.locator(".CodeMirror-line", has_text=field)).to_be_visible()
    expect(page.get_by_text("No errors")).to_be_visible()


@needs_browser
def test_a_file_that_is_wrong_says_so_on_its_page(page: Page) -> None:
    page.goto("/assets/candu/users/broken")
    expect(page.get_by_text("guards: unknown key; did you mean guard?")).to_be_visible()
    expect(page.locator("a", has_text="broken.yaml")).to_be_visible()


@needs_browser
def test_a_person_adds_a_segment_and_sends_it(page: Page, world: World) -> None:
    page.goto("/assets/candu/users/segments_changes?view=partitions")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    page.locator("button", has_text="Materialize").first.click()
    page.get_by_text("Add a partition").click()
    page.get_by_placeholder("name", exact=True).fill("lost")
    page.locator("button", has_text="Save").click()
    page.locator("button", has_text="Launch 1 run").click()
    expect(page.get_by_text("Materialized (2)")).to_be_visible()
    assert "dee" not in world.room.simulator.users()
    page.goto("/assets/candu/users/segments?view=partitions")
    expect(page.get_by_text("Missing (1)")).to_be_visible()
    page.locator("button", has_text="Materialize").first.click()
    page.get_by_role("dialog").get_by_text("Missing", exact=True).click()
    page.locator("button", has_text="Launch 1 run").click()
    until(lambda: "dee" in world.room.simulator.users(), 120, "the user of the new segment is in Candu")


def test_a_file_that_is_dropped_is_a_sync_after_a_reload(world: World) -> None:
    path = world.room.sql / "users" / "fresh.sql"
    path.write_text("select 'cy' as user_id, 'today' as since")
    world.dagster.reload()
    until(lambda: "candu/users/fresh" in world.dagster.assets(), 120, "the new file is there")
    answer: dict[str, Any] = world.dagster.ask(RUN, wanted={"mode": "default", "selector": {
        "repositoryLocationName": "dagster_defs.definitions", "repositoryName": "__repository__",
        "pipelineName": "__ASSET_JOB", "assetSelection": [{"path": ["candu", "users", name]}
                                                          for name in ("fresh_changes", "fresh")]}})
    assert answer["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess"
    until(lambda: "cy" in world.room.simulator.users(), 120, "its user is in Candu")


def test_a_backfill_is_a_run_for_each_partition(world: World) -> None:
    def done() -> dict[str, Any] | None:
        found: dict[str, Any] = world.dagster.ask(RUNS, id=world.backfill)["partitionBackfillOrError"]
        return found if found["status"].startswith("COMPLETED") else None

    ended = until(done, 240, "the backfill has ended")
    assert ended is not None
    assert ended["status"] == "COMPLETED_SUCCESS"
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in ended["runs"]]
    assert sorted(tag["dagster/partition"] for tag in tags) == PAIRS
    times = [(run["startTime"], run["endTime"]) for run in ended["runs"]]
    assert max(sum(start <= at < end for start, end in times) for at, _ in times) <= 2
    assert {user: traits["segment"] for user, traits in world.room.simulator.users().items() if user in ("ada", "bo")} \
        == {"ada": "trial", "bo": "won"}


@needs_browser
def test_the_page_of_a_backfill_shows_it(page: Page, world: World) -> None:
    page.goto(f"/runs/b/{world.backfill}")
    expect(page.get_by_text(PAIRS[0])).to_be_visible()
    expect(page.get_by_text("100% completed")).to_have_count(2)
