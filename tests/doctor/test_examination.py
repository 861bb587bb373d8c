"""Each thing that Candu does not publish, either way: what the doctor learns of it, and the settings that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from candu_sync.doctor import (
    STEPS,
    Answer,
    Meaning,
    Note,
    Notes,
    Simulated,
    Step,
    amount,
    examine,
    new_notes,
    read_notes,
)
from candu_sync.errors import CanduError, DestinationTrouble, Unauthorized
from candu_sync.project import Project
from candu_sync.simulator import Simulator
from tests.support.lab import Lab


class Reader:
    """Looks into the simulator, as the command does; ``answer`` may be replaced."""

    def __init__(self, simulator: Simulator, notes: Notes) -> None:
        self._simulated = Simulated(simulator.url, notes.names)
        self.asked: list[str] = []
        self.waits: list[float] = []
        self.instead: dict[str, Answer] = {}

    def begin(self, step: Step) -> None:
        pass

    def ready(self, step: Step) -> Answer:
        if step.name not in self.instead:
            self._simulated.prepare(step)
        return self.instead.get(step.name, "yes")

    def sent(self, step: Step, note: Note) -> None:
        pass

    def answer(self, step: Step) -> Answer:
        self.asked.append(step.name)
        return self.instead.get(step.name) or ("yes" if self._simulated.sees(step) else "no")

    def learnt(self, step: Step, meaning: Meaning) -> None:
        pass

    def announce(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def clinic(lab: Lab) -> Iterator[Project]:
    with lab.project() as project:
        yield project


def examined(project: Project, simulator: Simulator) -> Notes:
    notes = new_notes(project)
    assert examine(project, notes, Reader(simulator, notes))
    return notes


USUAL = {"NULLS": "send", "BATCH_SIZE": "100", "BATCH_GROWTH": "false"}
"""What follows from the simulator as it is at first."""

TABLE: list[tuple[dict[str, Any], dict[str, str | None], dict[str, str]]] = [
    ({}, {"identify": "yes", "message_id": "yes", "array": "yes", "group": "yes", "nulls": "yes", "duplicates": "no",
          "past_events": "yes", "array_100": "yes", "array_200": "refused", "signed_identities": "yes"}, USUAL),
    ({"nulls": "ignored", "message_ids": "once", "past_events": "now", "not_stored": ["group"], "rest_is_exempt": False,
      "most_messages": 1000},
     {"group": "no", "nulls": "no", "duplicates": "yes", "past_events": "no", "array_1000": "yes",
      "signed_identities": "no"},
     {"NULLS": "omit", "MESSAGE_ID": "true", "BATCH_SIZE": "1000"}),
    ({"not_stored": ["identify"]}, {"identify": "no", "array": None}, {}),
    ({"signed_identities": True, "rest_is_exempt": False}, {"identify": "no", "signed_identities": None}, {}),
    ({"message_ids": "refused"}, {"message_id": "refused", "duplicates": None}, {**USUAL, "MESSAGE_ID": "false"}),
    ({"nulls": "removed"}, {"nulls": "yes"}, USUAL),
    ({"nulls": "refused"}, {"nulls": "refused"}, {**USUAL, "NULLS": "omit"}),
    ({"most_stored": 1}, {"array": "no", "array_100": None}, {**USUAL, "BATCH_SIZE": "1"}),
    ({"most_messages": 1, "too_many": 400}, {"array": "refused", "array_100": None}, {**USUAL, "BATCH_SIZE": "1"}),
    ({"most_messages": 10}, {"array_100": "refused", "array_20": "refused"}, {**USUAL, "BATCH_SIZE": "2"}),
    ({"most_stored": 10}, {"array_100": "no", "array_20": "no", "array_200": None}, {**USUAL, "BATCH_SIZE": "2"}),
    ({"most_messages": 99, "too_many": 400}, {"array_20": "yes", "array_200": None}, {**USUAL, "BATCH_SIZE": "20"}),
    ({"most_messages": 1000, "most_stored": 150}, {"array_200": "no", "array_500": None}, USUAL),
    ({"most_messages": 499}, {"array_200": "yes", "array_500": "refused"}, {**USUAL, "BATCH_SIZE": "200"}),
    ({"most_messages": 999}, {"array_500": "yes", "array_1000": "refused"}, {**USUAL, "BATCH_SIZE": "500"}),
]
"""What the simulator assumes of Candu; what the doctor must learn of it (None: the step makes no sense); settings."""


@pytest.mark.parametrize(("assumed", "replies", "settings"), TABLE)
def test_each_unknown_either_way(clinic: Project, simulator: Simulator, assumed: dict[str, Any],
                                 replies: dict[str, str | None], settings: dict[str, str]) -> None:
    simulator.assume(**assumed)
    notes = examined(clinic, simulator)
    assert {step: notes.reply(step) for step in replies} == replies
    assert notes.settings() == settings
    # All that is named is the doctor's own.
    assert all(name.startswith("candu-sync-doctor-") for name in [*simulator.users(), *simulator.groups()])


def test_the_table_has_each_reply_that_says_something_else() -> None:
    tried = {(step, reply) for _, replies, _ in TABLE for step, reply in replies.items()}
    others = {(step.name, reply) for step in STEPS for reply in step.means} - tried
    # Settings follow from the reply `no` of the larger arrays as from `refused`. Refusals of what earlier steps sent in
    # the same form have no settings.
    assert {pair for pair in others if not pair[0].startswith("array")} == {
        (step, "refused") for step in ("identify", "group", "duplicates", "past_events", "signed_identities")}
    assert all(step.means["no"].settings == step.means["refused"].settings for step in STEPS
               if step.name.startswith("array"))


def test_messages_are_those_of_the_engine(clinic: Project, simulator: Simulator) -> None:
    notes = examined(clinic, simulator)
    user = notes.names.user
    payloads = [message["payload"] for message in simulator.messages()]
    assert payloads[0] == {"type": "identify", "userId": user,
                           "traits": {"email": f"{user}@example.com", "candu_sync_doctor": "one identify"}}
    repeated = [payload for payload in payloads if payload.get("event") == "candu-sync doctor: repeated"]
    assert (len(repeated), repeated[0]) == (2, repeated[1])
    ids = [payload["messageId"] for payload in payloads[1:]]
    assert len(ids) - len(set(ids)) == 1
    assert all(len(row["body"]) < 500_000 for row in simulator.requests())
    assert [payload["traits"] for payload in payloads if "candu_sync_doctor_null" in payload.get("traits", {})] == [
        {"candu_sync_doctor_null": "a value"}, {"candu_sync_doctor_null": None}]


def test_without_message_ids_in_the_settings_only_their_own_steps_have_one(lab: Lab, simulator: Simulator) -> None:
    simulator.assume(message_ids="refused")
    with lab.project() as project:
        examined(project, simulator)
    assert not any("messageId" in message["payload"] for message in simulator.messages())


def test_it_goes_on_where_it_stopped(clinic: Project, simulator: Simulator) -> None:
    notes = new_notes(clinic)
    person = Reader(simulator, notes)
    person.instead = {"nulls": "quit"}
    assert not examine(clinic, notes, person)
    again = read_notes(clinic)
    assert again == notes
    sent = len(simulator.messages())

    person = Reader(simulator, again)
    person.instead = {"group": "no", "duplicates": "skip", "signed_identities": "skip"}
    assert examine(clinic, again, person)
    # What was sent is not sent again.
    assert person.asked[0] == "nulls"
    assert [payload for payload in simulator.messages()[sent:] if payload["type"] == "group"] == []
    assert [step.name for step in again.left()] == ["duplicates", "signed_identities"]
    assert not again.steps["signed_identities"].sent


def test_a_step_may_be_asked_about_again(clinic: Project, simulator: Simulator) -> None:
    notes = examined(clinic, simulator)
    sent = len(simulator.messages())
    # Of what was accepted, only the question is asked again.
    notes.ask_again(next(step for step in STEPS if step.name == "nulls"))
    person = Reader(simulator, notes)
    person.instead = {"nulls": "no"}
    assert examine(clinic, notes, person)
    assert (person.asked, len(simulator.messages()), notes.settings()["NULLS"]) == (["nulls"], sent, "omit")
    # What was refused is sent again.
    simulator.assume(most_messages=300)
    notes.ask_again(next(step for step in STEPS if step.name == "array_200"))
    assert amount(notes) == (3, 1700)
    assert examine(clinic, notes, Reader(simulator, notes))
    assert (notes.reply("array_200"), notes.reply("array_500")) == ("yes", "refused")
    assert amount(notes) == (0, 0)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, CanduError])
def test_nothing_that_was_learnt_is_lost(clinic: Project, simulator: Simulator, stop: type[BaseException],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    notes = new_notes(clinic)
    person = Reader(simulator, notes)
    usual: Callable[[Step], Answer] = person.answer

    def answer(step: Step) -> Answer:
        if step.name == "past_events":
            raise stop("now")
        return usual(step)

    monkeypatch.setattr(person, "answer", answer)
    with pytest.raises(stop):
        examine(clinic, notes, person)
    again = read_notes(clinic)
    assert again is not None
    assert [again.reply(name) for name in ("identify", "nulls", "past_events")] == ["yes", "yes", None]
    assert again.steps["past_events"].sent


def test_an_identify_that_was_slow_is_asked_about_again_and_not_sent_again(clinic: Project,
                                                                           simulator: Simulator) -> None:
    notes = new_notes(clinic)
    person = Reader(simulator, notes)
    person.instead = {"identify": "no"}
    assert examine(clinic, notes, person)
    assert (person.asked, len(simulator.messages())) == (["identify"], 1)
    person.instead = {}
    assert examine(clinic, notes, person)
    assert notes.reply("identify") == "yes"
    assert notes.settings() == USUAL
    assert sum("email" in message["payload"].get("traits", {}) for message in simulator.messages()) == 1


@pytest.mark.parametrize(("fault", "error"), [
    ({"status": 401}, Unauthorized), ({"status": 200 + 102}, DestinationTrouble), ({"status": 503}, CanduError)])
def test_what_is_wrong_with_the_address_or_the_key_ends_it(clinic: Project, simulator: Simulator, fault: dict[str, Any],
                                                           error: type[CanduError]) -> None:
    simulator.fault("status", **fault)
    notes = new_notes(clinic)
    with pytest.raises(error):
        examine(clinic, notes, Reader(simulator, notes))
    assert notes.reply("identify") is None
    assert not notes.of(STEPS[0]).sent


def test_a_wrong_key_is_no_refusal_of_a_message(lab: Lab, simulator: Simulator) -> None:
    with Project(lab.settings.model_copy(update={"api_key": type(lab.settings.api_key)("wrong")})) as project:
        notes = new_notes(project)
        with pytest.raises(Unauthorized):
            examine(project, notes, Reader(simulator, notes))


def test_a_429_is_waited_for(clinic: Project, simulator: Simulator) -> None:
    simulator.fault("status", status=429, retry_after="0", times=1, after=3)
    notes = examined(clinic, simulator)
    assert notes.settings() == USUAL


def test_an_array_that_is_too_large_for_the_server_is_seen_though_its_parts_are_accepted(
        clinic: Project, simulator: Simulator) -> None:
    """A server may answer 500 to what is too large: the delivery sends it in parts, and all of it arrives."""
    simulator.assume(most_messages=1000)
    notes = new_notes(clinic)
    person = Reader(simulator, notes)
    usual: Callable[[Step], Answer] = person.answer

    def answer(step: Step) -> Answer:
        if step.name == "array_100":
            simulator.fault("status", status=500, times=2)
        return usual(step)

    person.answer = answer  # type: ignore[method-assign]
    assert examine(clinic, notes, person)
    assert notes.reply("array_200") == "refused"
    assert "500" in notes.steps["array_200"].answer
    assert notes.settings()["BATCH_SIZE"] == "100"


def test_the_rate_is_of_all_steps(lab: Lab, simulator: Simulator) -> None:
    with Project(lab.settings.model_copy(update={"rate": 50.0})) as project:
        examined(project, simulator)
    times = [row["at"] for row in simulator.requests()]
    seconds = [float(time[17:-1]) for time in times]
    assert (seconds[-1] - seconds[0]) % 60 >= (len(times) - 1) / 50 * 0.95


def test_the_notes_have_no_secret_and_belong_to_one_workspace(lab: Lab, simulator: Simulator) -> None:
    with lab.project() as project:
        examined(project, simulator)
        data = project.state.store.get("doctor.json") or b""
        assert simulator.key.encode() not in data
        assert read_notes(project) is not None
    for change in ({"api_key": "another"}, {"api_url": "http://127.0.0.1:1/api"}):
        lab.overrides |= change
        with lab.project() as project:
            assert read_notes(project) is None
