"""What is known so far: ``doctor.json`` in the state. It is written after each thing that happened.

It has no secret: the key is there as a digest, salted with the state's id.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

from candu_sync.doctor.names import Names, new_names
from candu_sync.doctor.steps import STEPS, Meaning, Reply, Step
from candu_sync.errors import DamagedState
from candu_sync.project import Project
from candu_sync.state import State

FILE = "doctor.json"

Status = Literal["open", "sent", "known", "skipped"]


@dataclass
class Note:
    """What is known of a step.

    Attributes:
        sent: when it was, ISO 8601; empty: it was not.
        reply: None: not known yet.
        skipped: the person wanted to leave it out.
        answer: what Candu answered to a refused request.
    """

    sent: str = ""
    reply: Reply | None = None
    skipped: bool = False
    answer: str = ""


@dataclass
class Notes:
    """What is known of a workspace.

    Attributes:
        names: the ids of the test user and group.
        url: of the API.
        key: the digest of the key.
        steps: by name; a step that is not there is open.
    """

    names: Names
    url: str
    key: str
    steps: dict[str, Note] = field(default_factory=dict)

    def of(self, step: Step) -> Note:
        """The note of a step, which is made where there is none."""
        return self.steps.setdefault(step.name, Note())

    def reply(self, name: str) -> Reply | None:
        """What is known of a step."""
        note = self.steps.get(name)
        return note.reply if note else None

    def is_open(self, step: Step) -> bool:
        """Whether a step is to be asked about. What ends the examination is asked about again: Candu may be slow."""
        reply = self.reply(step.name)
        return reply is None or step.means[reply].ends

    def ask_again(self, step: Step) -> None:
        """Forget the answer about a step. What was accepted is not sent again."""
        note = self.of(step)
        if note.reply == "refused" or not step.question:
            note.sent = ""
        note.reply, note.answer = None, ""

    def may_come(self, step: Step) -> bool:
        """Whether a step is open, and makes sense now or after other answers."""
        return self.is_open(step) and all(
            reply in replies if (reply := self.reply(need.name)) is not None else self.may_come(need)
            for need in STEPS if (replies := step.needs.get(need.name)) is not None)

    def makes_sense(self, step: Step) -> bool:
        """Whether the steps that it needs have the answers that it needs."""
        return all(self.reply(name) in replies for name, replies in step.needs.items())

    def meanings(self) -> list[tuple[Step, Meaning]]:
        """What is known, in the order of the steps."""
        return [(step, step.means[reply]) for step in STEPS if (reply := self.reply(step.name)) is not None]

    def left(self) -> list[Step]:
        """The steps that are open and make sense now; skipped ones are among them."""
        return [step for step in STEPS if self.is_open(step) and self.makes_sense(step)]

    def settings(self) -> dict[str, str]:
        """The settings that follow from all that is known; a later step has priority."""
        found: dict[str, str] = {}
        for _, meaning in self.meanings():
            found |= meaning.settings
        return found

    @property
    def on(self) -> dt.date | None:
        """The day on which something was sent last."""
        days = [note.sent[:10] for note in self.steps.values() if note.sent]
        return dt.date.fromisoformat(max(days)) if days else None


def new_notes(project: Project) -> Notes:
    """Nothing is known yet."""
    return Notes(new_names(), project.settings.api_url, _key(project))


def read_notes(project: Project) -> Notes | None:
    """What is known of the workspace of the settings; None: nothing.

    Raises:
        DamagedState: ``doctor.json`` cannot be read.
    """
    data = project.state.store.get(FILE)
    if data is None:
        return None
    try:
        notes = _parsed(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedState(FILE, f"{project.state.store.place(FILE)} cannot be read. Remove it: `candu-sync doctor` "
                           "then begins anew") from error
    return notes if (notes.url, notes.key) == (project.settings.api_url, _key(project)) else None


def write_notes(state: State, notes: Notes) -> None:
    """Raises StateError when it cannot be written."""
    names = {"id": notes.names.id, "began": notes.names.began.isoformat()}
    body = {"url": notes.url, "key": notes.key, "names": names,
            "steps": {name: asdict(note) for name, note in notes.steps.items()}}
    state.store.put(FILE, json.dumps(body, indent=1).encode())


def _parsed(body: Mapping[str, dict[str, object]]) -> Notes:
    known = {step.name for step in STEPS}
    names = Names(str(body["names"]["id"]), dt.datetime.fromisoformat(str(body["names"]["began"])))
    steps = {name: Note(**dict(note)) for name, note in body["steps"].items() if name in known}  # type: ignore[call-overload]
    if any(note.reply not in (None, *get_args(Reply)) for note in steps.values()):
        raise ValueError("there is no such reply")
    return Notes(names, str(body["url"]), str(body["key"]), steps)


def _key(project: Project) -> str:
    return hashlib.sha256(f"{project.state.workspace}:{project.settings.require_api_key()}".encode()).hexdigest()
