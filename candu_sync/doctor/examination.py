"""The examination: step by step, something is sent, a person looks, and what is learnt is written down at once."""

from __future__ import annotations

import datetime as dt
from typing import Literal, Protocol

from candu_sync.doctor.building import built
from candu_sync.doctor.notes import Note, Notes, write_notes
from candu_sync.doctor.sending import Sending
from candu_sync.doctor.steps import STEPS, Meaning, Step
from candu_sync.project import Project

Answer = Literal["yes", "no", "skip", "quit", "later"]
"""``later``: there is no answer now; the step stays open."""


class Person(Protocol):
    """Who is asked, and shown what happens."""

    def begin(self, step: Step) -> None:
        """A step begins."""

    def ready(self, step: Step) -> Answer:
        """Whether what has to be done before the step is done."""

    def sent(self, step: Step, note: Note) -> None:
        """Its messages were sent, now or by an earlier call."""

    def answer(self, step: Step) -> Answer:
        """What there is to see in Candu."""

    def learnt(self, step: Step, meaning: Meaning) -> None:
        """What is known now."""

    def announce(self, seconds: float) -> None:
        """Candu asked for a long pause."""


def examine(project: Project, notes: Notes, person: Person) -> bool:
    """Go through the steps that are open. ``notes`` are written after each thing that happens.

    Returns:
        False: the person wants to stop.

    Raises:
        CanduError: Candu cannot be reached, refuses the key, or answers as no API of messages does.
        StateError: the notes cannot be written.
    """
    with Sending(project, person.announce) as sending:
        for step in STEPS:
            if notes.is_open(step) and notes.makes_sense(step) and not _examine(project, notes, step, person, sending):
                return False
    return True


def _examine(project: Project, notes: Notes, step: Step, person: Person, sending: Sending) -> bool:
    """One step; False: the person wants to stop."""
    note = notes.of(step)
    person.begin(step)
    if not note.sent or note.reply == "refused":
        answer = person.ready(step) if step.before else "yes"
        if answer != "yes":
            return _left_out(project, notes, note, answer)
        _send(project, notes, step, sending)
    person.sent(step, note)
    if note.reply is None or step.means[note.reply].ends:
        answer = "no" if note.reply == "refused" else person.answer(step)
        if answer not in ("yes", "no"):
            return _left_out(project, notes, note, answer)
        note.reply = "refused" if note.reply == "refused" else "yes" if answer == "yes" else "no"
        note.skipped = False
        write_notes(project.state, notes)
    person.learnt(step, step.means[note.reply])
    return True


def _left_out(project: Project, notes: Notes, note: Note, answer: Answer) -> bool:
    note.skipped = answer in ("skip", "no")
    write_notes(project.state, notes)
    return answer != "quit"


def _send(project: Project, notes: Notes, step: Step, sending: Sending) -> None:
    takes_ids = notes.reply("message_id")
    with_id = project.settings.message_id if takes_ids is None else takes_ids == "yes"
    refused = sending.send(built(step, notes.names, project.state.workspace, message_id=with_id))
    note = notes.of(step)
    note.sent = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    note.answer, note.skipped = refused, False
    note.reply = "refused" if refused else None if step.question else "yes"
    write_notes(project.state, notes)
