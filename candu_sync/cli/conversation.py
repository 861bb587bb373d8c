"""The doctor on a terminal: what is shown of each step, and who answers."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import typer

from candu_sync.cli.common import complain, say
from candu_sync.naming import counted
from candu_sync.terminal import printable

if TYPE_CHECKING:
    from candu_sync.doctor import Answer, Given, Meaning, Note, Notes, Simulated, Step

# Columns; a narrower terminal folds by itself.
_NARROWEST = 40

_WORDS: dict[str, Answer] = {"y": "yes", "yes": "yes", "n": "no", "no": "no", "s": "skip", "skip": "skip", "q": "quit",
                             "quit": "quit"}


def tell(text: str) -> None:
    """A line of the result; on a terminal it is folded at words, and the lines after the first are indented as it."""
    for line in _folded(text):
        say(line)


def _folded(text: str) -> list[str]:
    if not sys.stdout.isatty():
        return [text]
    indent = " " * (len(text) - len(text.lstrip(" →")))
    width = max(_NARROWEST, shutil.get_terminal_size().columns - 1)
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


class Answers(Protocol):
    """Where answers come from."""

    def ready(self, step: Step) -> Answer:
        """Whether what has to be done before a step is done."""

    def answer(self, step: Step, question: str) -> Answer:
        """The answer to its question, which is shown."""


class Typed:
    """Answers that a person types."""

    def ready(self, step: Step) -> Answer:
        return self._ask("Is this done?")

    def answer(self, step: Step, question: str) -> Answer:
        return self._ask(question)

    def _ask(self, question: str) -> Answer:
        while True:
            try:
                typed = input("\n".join(map(printable, _folded(f"  {question} [yes/no/skip/quit]"))) + " ")
            except EOFError:
                return "quit"
            if (word := typed.strip().lower()) in _WORDS:
                return _WORDS[word]
            say("  Type yes, no, skip or quit, or the first letter.")


class FromFile:
    """Answers that were given beforehand. Without one, a step stays open."""

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._given = given

    def ready(self, step: Step) -> Answer:
        # Nobody has switched anything.
        return "yes" if self._given.get(step.name, "skip") != "skip" else "skip"

    def answer(self, step: Step, question: str) -> Answer:
        answer: Answer = self._given.get(step.name, "later")
        say(f"  {question} {answer if answer != 'later' else '(no answer yet)'}")
        return answer


class Looked:
    """Answers that a simulator shows."""

    def __init__(self, simulated: Simulated) -> None:
        self._simulated = simulated

    def ready(self, step: Step) -> Answer:
        self._simulated.prepare(step)
        return "yes"

    def answer(self, step: Step, question: str) -> Answer:
        answer: Answer = "yes" if self._simulated.sees(step) else "no"
        say(f"  {question} {answer}")
        return answer


class Conversation:
    """Shows what happens (``doctor.Person``); ``answers`` answers."""

    def __init__(self, notes: Notes, answers: Answers) -> None:
        self._notes = notes
        self._answers = answers
        self._steps = 0

    def begin(self, step: Step) -> None:
        self._steps += 1
        say("")
        typer.secho(printable(f"{self._steps}. {step.name}: {step.title}"), bold=True)

    def ready(self, step: Step) -> Answer:
        tell(f"  {self._filled(step.before)}.")
        return self._answers.ready(step)

    def sent(self, step: Step, note: Note) -> None:
        messages = sum(request.count for request in step.requests)
        what = f"{counted(len(step.requests), 'request')}, {counted(messages, 'message')}"
        tell(f"  Sent at {note.sent[11:19]} UTC: {what}.")
        if note.answer:
            tell(f"  {note.answer}")
        elif note.reply is None or step.means[note.reply].ends:
            tell(f"  {self._filled(step.look)}.")

    def answer(self, step: Step) -> Answer:
        return self._answers.answer(step, self._filled(step.question))

    def learnt(self, step: Step, meaning: Meaning) -> None:
        tell(f"  → {meaning.says}")
        if meaning.advice:
            tell(f"    {meaning.advice}")

    def announce(self, seconds: float) -> None:
        complain(f"Candu asks to wait {seconds:,.0f} seconds before the next request")

    def _filled(self, text: str) -> str:
        return self._notes.names.filled(text)
