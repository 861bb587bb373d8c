"""The command doctor: consent, the examination, and the settings that follow."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import complain, in_words, project_without_syncs, say
from candu_sync.errors import UsageError
from candu_sync.naming import counted
from candu_sync.routes import CANDU
from candu_sync.suggestions import did_you_mean
from candu_sync.workspaces import prefix_of

if TYPE_CHECKING:
    from candu_sync.cli.conversation import Answers
    from candu_sync.doctor import Change, Notes, Step
    from candu_sync.project import Project


def doctor(dry_run: Annotated[bool, typer.Option(
               "--dry-run", help="Show what would be sent, and send nothing.")] = False,
           yes: Annotated[bool, typer.Option("--yes", help="Send, and change .env, without asking.")] = False,
           answers: Annotated[Path | None, typer.Option(
               "--answers", metavar="FILE", help="What there is to see in Candu: a line `step: yes` (no, skip) for "
                                                 "each step; a step without a line stays open.")] = None,
           ask: Annotated[list[str] | None, typer.Option(
               "--ask", metavar="STEP", help="Ask about this step again; may be given several times.")] = None,
           again: Annotated[bool, typer.Option(
               "--again", help="Begin anew, with a new test user, instead of going on.")] = False) -> None:
    """Find out on a real workspace, with a test user, what Candu does not publish; the settings follow in .env."""
    from candu_sync.doctor import new_notes, read_notes

    with project_without_syncs() as project:
        project.destinations.check(CANDU)
        notes = (None if again else read_notes(project)) or new_notes(project)
        for name in ask or ():
            notes.ask_again(_step(name))
        if dry_run:
            _show_messages(project, notes)
            return
        try:
            _examine(project, notes, _answers(project, notes, answers, yes=yes), ask=not yes)
        except KeyboardInterrupt:
            say("")
            complain("interrupted; what was learnt is kept. `candu-sync doctor` goes on from there", level="error")
            raise typer.Exit(1) from None


def _step(name: str) -> Step:
    from candu_sync.doctor import STEPS

    found = next((step for step in STEPS if step.name == name), None)
    if found is None:
        names = [step.name for step in STEPS]
        raise UsageError(f"there is no step {name}{did_you_mean(name, names)} (there are: {', '.join(names)})")
    return found


def _answers(project: Project, notes: Notes, file: Path | None, *, yes: bool) -> Answers:
    """Who answers.

    Raises:
        UsageError: there is no terminal, and not all that takes its place.
    """
    from candu_sync.cli.conversation import FromFile, Looked, Typed
    from candu_sync.doctor import Simulated, answers_at, read_answers

    if file is not None:
        given = read_answers(file)
        if not yes and not _terminal():
            raise UsageError("doctor --answers FILE without a terminal needs --yes: nobody is there to consent")
        return FromFile(given)
    if answers_at(project.settings.api_url):
        return Looked(Simulated(project.settings.api_url, notes.names))
    if not _terminal():
        raise UsageError("doctor asks what there is to see in Candu, and there is no terminal. Give --yes, and "
                         "--answers FILE with a line like `nulls: yes` for each step that was looked at; `candu-sync "
                         "doctor --dry-run` lists the steps")
    return Typed()


def _terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _examine(project: Project, notes: Notes, answers: Answers, *, ask: bool) -> None:
    from candu_sync.cli.conversation import Conversation, Looked
    from candu_sync.doctor import examine

    simulated = isinstance(answers, Looked)
    if notes.left():
        if simulated:
            say(f"A simulator answers at {project.settings.api_url}: nobody is asked, the doctor looks itself.")
        _show_consent(project, notes)
        if ask and not simulated and not typer.confirm("Send this, step by step?"):
            say("Nothing was sent.")
            return
        examine(project, notes, Conversation(notes, answers))
        say("")
    _conclude(project, notes, ask=ask and not simulated)


def _show_consent(project: Project, notes: Notes) -> None:
    from candu_sync.cli.conversation import tell
    from candu_sync.doctor import amount

    requests, messages = amount(notes)
    url, names = project.settings.api_url, notes.names
    if notes.on is not None:
        tell(f"The examination of {notes.on} goes on where it stopped.")
    for line in (f"Test user and test group: {names.user}; for one step also the user {names.second}.",
                 f"At most {counted(requests, 'request')} with {counted(messages, 'message')} go to {url}, "
                 f"{_pace(project)}. Nothing of your data is sent.",
                 "The test users stay in the workspace: Candu has no call that removes them. Take a workspace for "
                 "tests if you have one.",
                 "`candu-sync doctor --dry-run` shows each message. Ctrl-C loses nothing that was learnt."):
        tell(line)


def _pace(project: Project) -> str:
    rate = project.settings.rate
    return f"at most {rate:g} requests a second" if rate else "without a limit of the rate"


def _show_messages(project: Project, notes: Notes) -> None:
    """What would be sent: of larger requests the first message and the last."""
    from candu_sync.doctor import STEPS, built

    if notes.on is None:
        say(f"The id of the test user is made when you begin; here it is {notes.names.user}.")
    for step in STEPS:
        known = notes.reply(step.name)
        needs = ", ".join(f"{name} is {' or '.join(replies)}" for name, replies in step.needs.items())
        say(f"{step.name}: {step.title}{f' (if {needs})' if needs else ''}{f' [known: {known}]' if known else ''}")
        for request in built(step, notes.names, project.state.workspace, message_id=project.settings.message_id):
            bodies = [body.rstrip(",") for body in request.column("body").to_pylist()]
            say(f"  POST eventWebhook  [{bodies[0]}]" if len(bodies) == 1 else
                f"  POST eventWebhook  [{bodies[0]}, … {bodies[-1]}]  {counted(len(bodies), 'message')}, "
                f"{sum(map(len, bodies)) + len(bodies) + 1:,} bytes")
    say("Nothing was sent.")


def _conclude(project: Project, notes: Notes, *, ask: bool) -> None:
    """Show what is known, and write the settings that follow."""
    from candu_sync.doctor import known

    say("Known:")
    for step, meaning in known(notes):
        say(f"  {step.name}: {meaning.says}")
    left = [step.name for step in notes.left()]
    if left:
        say(f"  open: {', '.join(left)}; `candu-sync doctor` goes on with them")
    _write_settings(project, notes, ask=ask)


def _write_settings(project: Project, notes: Notes, *, ask: bool) -> None:
    from candu_sync.doctor import changes, edited, read_env, write_env

    prefix = prefix_of(project.settings.workspace)
    wanted = {f"{prefix}{name}": value for name, value in notes.settings().items()}
    if not wanted:
        say("No setting follows yet.")
        return
    text = read_env()
    found = changes(text or "", wanted)
    for name in [name for name in wanted if os.environ.get(name, "") not in ("", wanted[name])]:
        complain(f"{name} is set in the environment, which has priority over .env: set it to {wanted[name]} there")
    if not found:
        say(f".env has the settings that follow: {', '.join(f'{name}={value}' for name, value in wanted.items())}")
    elif text is None:
        say(f".env is no file that can be written. Set: {' '.join(change.line for change in found)}")
    else:
        for line in _difference(found):
            say(line)
        if ask and not typer.confirm("Change .env?"):
            say(".env stays as it is; `candu-sync doctor` asks again.")
            return
        comment = in_words(f"candu-sync doctor, {notes.on}, of {notes.url}")
        write_env(edited(text, wanted, comment))
        say(f"Changed in .env: {', '.join(change.name for change in found)}. All other lines are as they were.")


def _difference(found: list[Change]) -> Iterator[str]:
    yield "In .env:"
    for change in found:
        if change.was:
            yield f"  - {change.was}"
        yield f"  + {change.line}"
