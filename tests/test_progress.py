"""What the pipeline reports of an operation: each phase once, in order, with its counts, also when it fails."""

from __future__ import annotations

import pytest

from candu_sync import pipeline
from candu_sync.errors import ModelError, StaleChanges, WarehouseError
from candu_sync.progress import Began, Counted, Ended, Event, PhaseBegan, PhaseEnded
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab


class Heard(list[Event]):
    """The events of operations."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    @property
    def order(self) -> list[str]:
        """began, the phases, ended; without counts on the way."""
        names = {Began: "began", Ended: "ended"}
        return [f"{event.phase} began" if isinstance(event, PhaseBegan) else
                event.phase if isinstance(event, PhaseEnded) else names[type(event)]
                for event in self if not isinstance(event, Counted)]

    def phase(self, name: str) -> PhaseEnded:
        [found] = [event for event in self if isinstance(event, PhaseEnded) and event.phase == name]
        return found

    @property
    def end(self) -> Ended:
        assert isinstance(self[-1], Ended)
        return self[-1]


@pytest.fixture
def users(lab: Lab) -> Sync:
    lab.table("people", user_id=["u1", "u2", "u3"], plan=["pro", "free", "pro"])
    return lab.sync("users/profile", "select * from people", 'automation: "0 * * * *"')


def test_a_run_reports_each_phase_with_its_counts(lab: Lab, users: Sync) -> None:
    heard = Heard()
    result = lab.run(users, progress=heard)
    assert heard.order == ["began", "read began", "read", "diff began", "diff", "guard began", "guard", "push began",
                           "push", "commit began", "commit", "ended"]
    assert heard.phase("read").counts == {"rows": 3}
    assert heard.phase("diff").counts == {"added": 3, "changed": 0, "removed": 0, "unchanged": 0, "invalid": 0,
                                          "refreshed": 0, "messages": 3}
    assert heard.phase("push").counts == {"accepted": 3, "refused": 0, "requests": 1, "retries": 0,
                                          "too_large": 0, "bytes": result.bytes}
    assert heard.phase("guard").counts == {"reasons": 0}
    operation = heard[0].operation
    assert (operation.verb, operation.sync, operation.kind, operation.partition, operation.run_id) == (
        "run", "users/profile", "users", None, result.run_id)
    assert all(event.operation == operation for event in heard)
    assert (heard.end.status, heard.end.counts, heard.end.error, heard.end.age) == (
        "succeeded", result.counts(), None, 0)
    assert result.bytes > 0
    # The result has the seconds that were reported.
    assert {name: heard.phase(name).seconds for name in result.seconds} == result.seconds


def test_the_listeners_of_a_project_hear_the_same(lab: Lab, users: Sync) -> None:
    mine, other = Heard(), Heard()
    with lab.project() as project:
        project.listeners.append(other)
        pipeline.run(Target(project, users), progress=mine)
    assert mine == other != []


def test_a_run_with_nothing_to_do_ends_with_its_guard(lab: Lab, users: Sync) -> None:
    lab.run(users)
    heard = Heard()
    lab.run(users, progress=heard)
    assert heard.order[-2:] == ["guard", "ended"]
    assert (heard.end.status, heard.end.counts["unchanged"], heard.phase("diff").counts["unchanged"]) == (
        "succeeded", 3, 3)


def test_a_plan_and_its_push_are_two_operations_of_one_run(lab: Lab, users: Sync) -> None:
    planned, pushed = Heard(), Heard()
    changes = lab.plan(users, progress=planned)
    with lab.project() as project:
        pipeline.push_staged(Target(project, users), progress=pushed)
    assert planned.order[-3:] == ["diff began", "diff", "ended"]
    assert (planned.end.status, planned.end.counts["messages"]) == ("planned", 3)
    assert pushed.order[:3] == ["began", "guard began", "guard"]
    assert {event.operation.run_id for event in [*planned, *pushed]} == {changes.run_id}
    assert [heard[0].operation.verb for heard in (planned, pushed)] == ["plan", "push"]


def test_a_push_of_nothing_staged_failed_before_it_had_a_run(lab: Lab, users: Sync) -> None:
    heard = Heard()
    with lab.project() as project, pytest.raises(StaleChanges):
        pipeline.push_staged(Target(project, users), progress=heard)
    assert heard.order == ["began", "ended"]
    assert (heard.end.status, heard.end.error, heard.end.operation.run_id) == ("failed", "StaleChanges", "")


def test_a_guard_is_an_end_of_its_own(lab: Lab, users: Sync) -> None:
    lab.run(users)
    lab.query("delete from people")
    heard = Heard()
    result = lab.run(users, progress=heard)
    assert (heard.end.status, heard.end.error) == (result.status, "GuardTripped") == ("guarded", "GuardTripped")
    assert heard.phase("guard").counts == {"reasons": len(result.guard)}
    assert result.guard
    assert heard.order[-1] == "ended"
    # Candu has what it had: the good run before is as old as it is.
    assert heard.end.age is not None
    assert 0 <= heard.end.age < 60
    assert heard.end.lag == 0


def test_a_failed_query_ends_its_phase_and_the_run(lab: Lab, users: Sync) -> None:
    lab.query("drop table people")
    heard = Heard()
    with pytest.raises(WarehouseError):
        lab.run(users, progress=heard)
    assert heard.order == ["began", "read began", "read", "ended"]
    assert heard.phase("read").error == heard.end.error == "WarehouseError"
    assert (heard.end.status, heard.end.counts, heard.end.age) == ("failed", {}, None)
    assert heard.end.operation.run_id


def test_a_failed_diff_ends_its_phase(lab: Lab) -> None:
    lab.table("people", user_id=["u1"], plan=[["pro"]])
    heard = Heard()
    with pytest.raises(ModelError):
        lab.plan(lab.sync("users/lists", "select * from people"), progress=heard)
    assert heard.end.error == "ModelError"


def test_a_push_that_candu_ends_has_what_it_did(lab: Lab, users: Sync, simulator: Simulator) -> None:
    simulator.fault("status", status=503)
    heard = Heard()
    result = lab.run(users, progress=heard)
    counts = heard.phase("push").counts
    assert (counts["accepted"], counts["requests"], counts["retries"]) == (0, result.requests, result.retries)
    assert result.retries > 0
    assert (heard.end.status, heard.end.error, heard.end.counts["waiting"]) == ("failed", "Transient", 3)


def test_an_interrupted_push_ends_its_phases_and_commits(lab: Lab, users: Sync) -> None:
    heard = Heard()

    def interrupt(event: Event) -> None:
        heard(event)
        if isinstance(event, Counted) and event.phase == "push":
            raise KeyboardInterrupt

    lab.overrides |= {"batch_size": 1, "concurrency": 1}
    with pytest.raises(KeyboardInterrupt):
        lab.run(users, progress=interrupt)
    assert heard.order[-4:] == ["push", "commit began", "commit", "ended"]
    assert (heard.phase("push").error, heard.phase("commit").error) == ("KeyboardInterrupt", None)
    assert heard.phase("push").counts["accepted"] == heard.end.counts["accepted"] == 1
