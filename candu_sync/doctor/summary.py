"""What is known, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from candu_sync.doctor.notes import Note, Notes
from candu_sync.doctor.steps import STEPS, Meaning, Step
from candu_sync.naming import counted
from candu_sync.project import Project


def known(notes: Notes) -> Iterator[tuple[Step, Meaning]]:
    """What is known, of the larger requests only the last that says how large they can be."""
    found = notes.meanings()
    sizes = [step for step, meaning in found if "BATCH_SIZE" in meaning.settings]
    for step, meaning in found:
        if step not in sizes[:-1]:
            yield step, meaning


def sentence(notes: Notes) -> str:
    """One sentence, for ``check``; empty: nothing is known."""
    says = [meaning.says for _, meaning in known(notes)]
    if not says:
        return ""
    left = len(notes.left())
    more = f" ({counted(left, 'step')} left: candu-sync doctor)" if left else ""
    return f"doctor, {notes.on}: {'; '.join(says)}{more}"


def differences(notes: Notes, project: Project) -> Iterator[str]:
    """A sentence for each setting that is not as is known to be right. Smaller requests than can be are right, too."""
    for name, value in notes.settings().items():
        used = getattr(project.settings, name.lower())
        if str(used).lower() != value and not (name == "BATCH_SIZE" and used < int(value)):
            yield (f"CANDU_{name} is {str(used).lower()}, and the doctor found {value} to be right: "
                   "`candu-sync doctor` sets it")


def amount(notes: Notes) -> tuple[int, int]:
    """How many requests and messages the steps that may still come would send at most."""
    steps = [step for step in STEPS if notes.may_come(step) and not notes.steps.get(step.name, Note()).sent]
    return (sum(len(step.requests) for step in steps),
            sum(request.count for step in steps for request in step.requests))
