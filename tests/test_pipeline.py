"""Plan, push and commit together: the snapshot says what Candu accepted, whatever happens on the way."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync import pipeline
from candu_sync.delivery import limits
from candu_sync.errors import SettingsError, StaleChanges
from candu_sync.operate import maintenance, statuses
from candu_sync.progress import Counted, Event
from candu_sync.project import Project
from candu_sync.simulator import Simulator
from candu_sync.state import read_last_run
from candu_sync.syncs import Catalog
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.delivery.faults import faults
from tests.support.lab import Lab
from tests.support.snapshots import snapshot_rows


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the pauses between them."""
    monkeypatch.setattr(limits.Limits, "first_pause", 0.001)


def people(lab: Lab, count: int, plan: str = "'pro'") -> None:
    lab.query(f"create or replace table people as select 'u' || i as user_id, {plan} as plan from range({count}) t(i)")


def users(lab: Lab, yaml: str = "") -> Sync:
    return lab.sync("users/model", "select * from people", yaml)


def snapshot(lab: Lab, sync: Sync) -> dict[str, dict[str, Any]]:
    """Traits by user, as the snapshot has them for sure."""
    return {key[0]: traits for key, (traits, _) in snapshot_rows(lab, sync).items()}


class TestInterruptions:
    def test_a_wrong_key_half_way_commits_what_was_accepted_and_the_next_run_goes_on(
            self, lab: Lab, simulator: Simulator) -> None:
        lab.overrides |= {"batch_size": 10, "concurrency": 1}
        people(lab, 50)
        sync = users(lab)
        simulator.fault("status", status=401, after=2, times=1)
        result = lab.run(sync)
        assert (result.status, result.exit_code, result.accepted, result.waiting) == ("failed", 1, 20, 30)
        assert "CANDU_API_KEY" in str(result.error)
        assert snapshot(lab, sync) == simulator.users()
        again = lab.run(sync)
        assert (again.status, again.added, again.unchanged, again.accepted) == ("succeeded", 30, 20, 30)
        assert len(simulator.messages()) == 50

    def test_candu_down_leaves_all_unsent_and_the_next_run_sends_it(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 250)
        sync = users(lab)
        simulator.fault("status", status=503, retry_after="0", times=None)
        result = lab.run(sync)
        assert (result.status, result.exit_code, result.accepted, result.waiting) == ("failed", 1, 0, 250)
        assert result.transient
        simulator.clear_faults()
        assert lab.run(sync).accepted == 250

    def test_an_unreachable_candu_is_one_sentence(self, lab: Lab) -> None:
        people(lab, 5)
        sync = users(lab)
        good = dict(lab.overrides)
        lab.overrides["api_url"] = "http://127.0.0.1:1/api"
        result = lab.run(sync)
        assert (result.status, result.refused, result.waiting) == ("failed", 0, 5)
        assert "cannot be reached" in str(result.error)
        lab.overrides = good
        assert lab.run(sync).accepted == 5

    @pytest.mark.parametrize("count", [5, 300])
    def test_a_wrong_url_sets_nothing_aside(self, lab: Lab, simulator: Simulator, count: int) -> None:
        people(lab, count)
        sync = users(lab)
        lab.overrides["api_url"] = simulator.url + "/v2"
        result = lab.run(sync)
        assert (result.status, result.accepted, result.refused) == ("failed", 0, 0)
        assert "CANDU_API_URL" in str(result.error)
        lab.overrides["api_url"] = simulator.url
        assert lab.run(sync).accepted == count

    def test_an_interrupted_push_is_what_the_status_shows(self, lab: Lab, simulator: Simulator) -> None:
        """As Dagster ends a step that is cancelled: by an exception, in the middle of the sending."""
        people(lab, 5)
        sync = users(lab)
        lab.run(sync)
        people(lab, 400)
        lab.overrides |= {"batch_size": 10, "concurrency": 1}

        def interrupt(event: Event) -> None:
            if isinstance(event, Counted) and event.phase == "push":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            lab.run(sync, force=True, progress=interrupt)
        last = read_last_run(lab.state(sync))
        assert (last["status"], last["accepted"], last["unsent"]) == ("failed", 10, 385)
        assert last["error"] == "stopped with 385 messages waiting; the next run goes on from there"
        assert lab.run(sync, force=True).accepted == 385

    def test_a_lost_answer_converges(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 5)
        sync = users(lab)
        simulator.fault("lost", times=2)
        assert lab.run(sync).status == "failed"
        assert lab.run(sync).status == "succeeded"
        assert snapshot(lab, sync) == simulator.users()
        assert lab.run(sync).requests == 0

    @pytest.mark.parametrize("kind", ["lost", "close"])
    def test_a_change_that_may_have_arrived_is_made_good_even_when_it_is_taken_back(
            self, lab: Lab, simulator: Simulator, kind: Any) -> None:
        people(lab, 2, "'a'")
        sync = users(lab)
        lab.run(sync)
        simulator.fault(kind, times=2)
        people(lab, 2, "'b'")
        assert lab.run(sync).status == "failed"
        people(lab, 2, "'a'")
        assert lab.run(sync).status == "succeeded"
        assert snapshot(lab, sync) == simulator.users() == {"u0": {"plan": "a"}, "u1": {"plan": "a"}}
        assert lab.run(sync).requests == 0

    def test_a_group_that_may_have_changed_is_made_good_too(self, lab: Lab, simulator: Simulator) -> None:
        def rows(plan: str | None) -> None:
            lab.table("rows", group_id=["g", "g"], user_id=["1", "2"], plan=[plan, plan])

        rows("a")
        sync = lab.sync("groups/model", "select * from rows")
        lab.run(sync)
        simulator.fault("lost", times=2)
        rows("b")
        assert lab.run(sync).status == "failed"
        rows("a")
        assert lab.run(sync).status == "succeeded"
        assert simulator.groups() == {"g": {"plan": "a"}}

    def test_a_run_that_is_stopped_commits_what_was_accepted(self, lab: Lab, simulator: Simulator) -> None:
        lab.overrides |= {"batch_size": 1, "concurrency": 1, "rate": 20}
        people(lab, 500)
        sync = users(lab)
        with lab.project() as project:
            threading.Thread(target=stop_once_sent, args=(project, simulator)).start()
            result = pipeline.run(Target(project, sync))
        assert result.status == "failed"
        assert "stopped with" in str(result.error)
        assert 0 < result.accepted < 500
        assert snapshot(lab, sync) == simulator.users()

    def test_without_a_key_nothing_begins(self, lab: Lab) -> None:
        people(lab, 5)
        lab.overrides["api_key"] = " "
        with pytest.raises(SettingsError, match="CANDU_API_KEY"):
            lab.run(users(lab))


def stop_once_sent(project: Project, simulator: Simulator) -> None:
    while not simulator.messages():
        time.sleep(0.02)
    project.stop()


class TestChangeSets:
    def test_a_plan_sends_nothing_and_changes_nothing(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 5)
        sync = users(lab)
        for keep in (True, False):
            assert lab.plan(sync, keep=keep).summary.messages == 5
        assert simulator.requests() == []
        assert lab.state(sync).current().number == 0

    def test_what_was_planned_is_what_is_sent(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 5)
        sync = users(lab)
        changes = lab.plan(sync)
        people(lab, 5, "'changed meanwhile'")
        assert lab.push(sync, changes).accepted == 5
        assert simulator.users()["u0"] == {"plan": "pro"}

    def test_a_change_set_of_an_older_snapshot_is_stale(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 5)
        sync = users(lab)
        lab.plan(sync)
        old = lab.plan(sync)
        lab.run(sync)
        with pytest.raises(StaleChanges, match=r"users/model: the staged changes belong to version 0 .* version 1 now"):
            lab.push(sync, old)
        assert len(simulator.messages()) == 5

    def test_the_push_of_a_change_set_can_be_repeated_after_a_failure(self, lab: Lab, simulator: Simulator) -> None:
        lab.overrides |= {"batch_size": 10, "concurrency": 1}
        people(lab, 50)
        sync = users(lab)
        simulator.fault("status", status=500, after=2, times=4)
        changes = lab.plan(sync)
        assert lab.push(sync, changes).status == "failed"
        result = lab.push(sync, changes)
        assert (result.status, result.exit_code, result.waiting) == ("succeeded", 0, 0)
        assert len(simulator.messages()) == 50
        assert snapshot(lab, sync) == simulator.users()

    def test_a_change_set_is_pushed_once(self, lab: Lab) -> None:
        people(lab, 5)
        sync = users(lab)
        lab.run(sync)
        with lab.project() as project, pytest.raises(StaleChanges, match="make the plan first"):
            pipeline.push_staged(Target(project, sync))

    def test_a_sample_is_sent_and_the_next_run_sends_the_rest(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 50)
        sync = users(lab)
        result = lab.run(sync, sample=7)
        assert (result.status, result.exit_code, result.accepted, result.waiting) == ("succeeded", 0, 7, 43)
        assert snapshot(lab, sync) == simulator.users()
        assert lab.run(sync).accepted == 43


class TestRejectedRows:
    def test_they_are_held_until_they_change(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 5)
        sync = users(lab)
        simulator.fault("refuse", user_ids=["u1", "u3"], status=422)
        result = lab.run(sync)
        assert (result.status, result.exit_code, result.accepted, result.refused) == ("succeeded", 4, 3, 2)
        assert [(row["key"], row["status"]) for row in lab.rejected(sync)] == [("u1", 422), ("u3", 422)]
        simulator.clear_faults()
        again = lab.run(sync)
        assert (again.requests, again.refused, again.unchanged, again.exit_code) == (0, 2, 3, 4)
        assert again.rows == again.added + again.changed + again.unchanged + again.invalid + again.refused
        people(lab, 5, "case when i = 1 then 'max' else 'pro' end")
        mended = lab.run(sync)
        assert (mended.accepted, mended.refused) == (1, 1)
        assert [row["key"] for row in lab.rejected(sync)] == ["u3"]
        assert simulator.users()["u1"] == {"plan": "max"}

    def test_they_go_again_when_asked_to(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 5)
        sync = users(lab)
        simulator.fault("refuse", user_ids=["u1"], status=400)
        lab.run(sync)
        simulator.clear_faults()
        with lab.project() as project:
            assert maintenance.retry(Target(project, sync)) == 1
        assert lab.run(sync).accepted == 1
        assert lab.rejected(sync) == []

    def test_a_change_that_is_refused_leaves_the_old_value_in_the_snapshot(
            self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 2)
        sync = users(lab)
        lab.run(sync)
        simulator.fault("refuse", user_ids=["u1"], status=400)
        people(lab, 2, "'max'")
        lab.run(sync)
        assert snapshot(lab, sync) == simulator.users() == {"u0": {"plan": "max"}, "u1": {"plan": "pro"}}

    def test_a_refused_farewell_is_held_and_the_figures_still_add_up(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, 3)
        sync = users(lab, "removed: {left: true}")
        lab.run(sync)
        simulator.fault("refuse", user_ids=["u2"], status=400)
        people(lab, 2)
        assert lab.run(sync).refused == 1
        result = lab.run(sync)
        assert (result.rows, result.unchanged, result.refused, result.requests) == (2, 2, 1, 0)

    def test_a_refused_group_message_holds_all_of_its_rows(self, lab: Lab, simulator: Simulator) -> None:
        lab.table("rows", group_id=["g", "g"], user_id=["1", "2"], plan=["pro", "pro"])
        sync = lab.sync("groups/model", "select * from rows")
        lab.run(sync)
        simulator.fault("refuse", user_ids=["1"], status=400)
        lab.table("rows", group_id=["g", "g"], user_id=["1", "2"], plan=["max", "max"])
        assert lab.run(sync).refused == 1
        assert [row["key"] for row in lab.rejected(sync)] == ["g|1", "g|2"]
        result = lab.run(sync)
        assert (result.requests, result.rows, result.unchanged) == (0, 2, 0)
        assert simulator.groups() == {"g": {"plan": "pro"}}


class TestUncertainEvents:
    def events(self, lab: Lab, uncertain: str) -> Sync:
        lab.query("create table seen as select 'e' || i as event_id, 'u' as user_id, 'x' as event, "
                  "timestamp '2026-01-01' as timestamp from range(20) t(i)")
        return lab.sync("events/model", "select * from seen", f"uncertain: {uncertain}")

    @pytest.mark.parametrize(("uncertain", "arrivals"), [("resend", 40), ("skip", 20)])
    def test_events_whose_answer_never_came(self, lab: Lab, simulator: Simulator, uncertain: str,
                                            arrivals: int) -> None:
        lab.overrides["max_attempts"] = 1
        sync = self.events(lab, uncertain)
        simulator.fault("lost", times=1)
        assert lab.run(sync).status == "failed"
        lab.run(sync)
        assert len(simulator.events()) == arrivals

    @pytest.mark.parametrize(("uncertain", "arrivals"), [("resend", 25), ("skip", 20)])
    def test_a_push_that_goes_on_with_the_same_changes(self, lab: Lab, simulator: Simulator, uncertain: str,
                                                      arrivals: int, caplog: pytest.LogCaptureFixture) -> None:
        lab.overrides |= {"max_attempts": 1, "batch_size": 5, "concurrency": 1}
        sync = self.events(lab, uncertain)
        simulator.fault("lost", times=1)
        assert lab.run(sync).status == "failed"
        with lab.project() as project:
            _, result = pipeline.push_staged(Target(project, sync))
        assert (result.status, result.accepted, result.waiting) == ("succeeded", 20, 0)
        assert result.requests == arrivals // 5 - 1
        assert len(simulator.events()) == arrivals
        assert ("5 events went out in an earlier push without an answer, and are not sent again" in caplog.text) is (
            uncertain == "skip")
        assert lab.run(sync).requests == 0
        with lab.project() as project:
            [row] = statuses(project, Catalog({sync.name: sync}, ()))
        assert row["uncertain"] == 5

    @pytest.mark.parametrize("uncertain", ["resend", "skip"])
    def test_events_that_never_reached_candu_are_not_uncertain(self, lab: Lab, simulator: Simulator,
                                                              uncertain: str) -> None:
        sync = self.events(lab, uncertain)
        lab.overrides["api_url"] = "http://127.0.0.1:1/api"
        assert lab.run(sync).waiting == 20
        lab.overrides["api_url"] = simulator.url
        assert lab.run(sync).accepted == 20

    def test_a_skipped_request_does_not_hide_the_event_that_was_refused_in_it(
            self, lab: Lab, simulator: Simulator) -> None:
        sync = self.events(lab, "skip")
        lab.query("update seen set user_id = 'bad' where event_id = 'e7'")
        simulator.fault("close", times=1)
        simulator.fault("refuse", user_ids=["bad"], status=422)
        assert lab.run(sync).refused == 1
        assert len(simulator.events()) == 19
        assert [row["key"] for row in lab.rejected(sync)] == ["e7"]
        with lab.project() as project:
            maintenance.retry(Target(project, sync))
        simulator.clear_faults()
        assert lab.run(sync).accepted == 1


@settings(max_examples=6)
@given(st.integers(1, 30), st.lists(faults, max_size=4), st.integers(1, 10))
def test_after_any_faults_the_snapshot_is_what_candu_accepted_and_a_clean_run_completes_it(
        running_simulator: Simulator, count: int, script: list[dict[str, Any]], size: int) -> None:
    running_simulator.reset()
    for fault in script:
        running_simulator.fault(**fault)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), running_simulator, batch_size=size)
        people(lab, count, "'plan ' || i")
        sync = users(lab)
        result = lab.run(sync)
        known, refused = snapshot(lab, sync), {row["key"] for row in lab.rejected(sync)}  # and others are in doubt
        assert (result.accepted, result.refused) == (len(known), len(refused))
        assert result.accepted + result.refused + result.waiting == result.messages == count
        assert not known.keys() & refused
        assert known.items() <= running_simulator.users().items()
        assert running_simulator.users().keys() - known.keys() == set() or "lost" in {f["kind"] for f in script}
        running_simulator.clear_faults()
        again = lab.run(sync)
        assert (again.status, again.accepted, again.refused) == ("succeeded", count - len(known) - len(refused),
                                                                  len(refused))
        assert snapshot(lab, sync).keys() | refused == {f"u{i}" for i in range(count)}
        if refused:
            with lab.project() as project:
                maintenance.retry(Target(project, sync))
            lab.run(sync)
        assert snapshot(lab, sync) == running_simulator.users()
        assert len(running_simulator.users()) == count
        assert lab.run(sync).requests == 0


def test_a_version_with_traits_and_no_rows_compares_with_nothing(lab: Lab, simulator: Simulator) -> None:
    """Candu refuses the first run; the next one has another trait, and leaves nulls out."""
    lab.table("people", user_id=["u1"], plan=["pro"])
    simulator.fault("refuse", user_ids=["u1"])
    lab.run(lab.sync("users/model", "select * from people", "nulls: omit"))
    simulator.clear_faults()
    lab.table("people", user_id=["u1"], seats=[None], tier=["gold"])
    result = lab.run(lab.sync("users/model", "select * from people", "nulls: omit"))
    assert (result.status, result.accepted) == ("succeeded", 1)
