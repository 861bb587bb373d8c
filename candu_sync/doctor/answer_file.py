"""A file of answers, for a doctor without a terminal: a line `step: yes` for each step, or no, or skip."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, cast

from candu_sync.doctor.steps import STEPS
from candu_sync.errors import UsageError
from candu_sync.suggestions import did_you_mean

_LINE = re.compile(r"\s*(?:(?P<step>[^\s:#]+)\s*:\s*(?P<answer>[^\s#]+)\s*)?(?:#.*)?")

Given = Literal["yes", "no", "skip"]


def read_answers(path: Path) -> dict[str, Given]:
    """The answers by step.

    Raises:
        UsageError: the file cannot be read, or a line is wrong.
    """
    names = [step.name for step in STEPS if step.question]
    found: dict[str, Given] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--answers {path} cannot be read: {reason}") from None
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or (match["answer"] or "yes") not in ("yes", "no", "skip"):
            raise UsageError(f"{path}:{number}: write a step and its answer, like `nulls: yes` (or no, or skip)")
        if (name := match["step"]) is not None:
            if name not in names:
                raise UsageError(f"{path}:{number}: there is no step {name}{did_you_mean(name, names)} "
                                 f"(there are: {', '.join(names)})")
            found[name] = cast(Given, match["answer"])
    return found
