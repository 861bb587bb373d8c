"""The words of a notice: what is wrong with a sync, or that it is well again, with what to do and where to look."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from candu_sync.alerts.conditions import CODES, Standing
from candu_sync.naming import counted, named, shortened
from candu_sync.terminal import printable_lines

# Partitions that a notice names; a sync may have thousands.
_MOST = 5

# Characters of one sentence. An error may quote a whole query.
_LONGEST = 1_000


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What is new about a sync, for one address.

    Attributes:
        bad: the standings that are new, and not well.
        well: those that are well again.
        at: when this was found; aware.
        trial: it is about no sync, and says only that notices arrive.
    """

    sync: str
    owners: tuple[str, ...]
    bad: tuple[Standing, ...]
    well: tuple[Standing, ...]
    at: dt.datetime
    trial: bool = False

    @property
    def title(self) -> str:
        """One line."""
        about = self.bad or self.well
        whole = any(standing.partition is None for standing in about) or len(about) > 1
        name = self.sync if whole else named(self.sync, about[0].partition)
        many = f" ({counted(len(about), 'partition')})" if len(about) > 1 else ""
        return f"{name}{many} {self._verdict}"

    @property
    def _verdict(self) -> str:
        codes = {code for standing in self.bad for code in standing.codes}
        well = "sends a notice on trial" if self.trial else "is well again"
        return next((words for code, words in CODES.items() if code in codes), well)

    @property
    def _state(self) -> str:
        well = "trial" if self.trial else "recovered"
        return "problem" if self.bad else well

    @property
    def lines(self) -> list[str]:
        """The sentences, of a few partitions."""
        bad = [self._about(standing, problem.sentence) for standing in self.bad[:_MOST] for problem in standing.said]
        well = [self._about(standing, standing.well) for standing in self.well[:_MOST]]
        more = max(len(self.bad) - _MOST, 0) + max(len(self.well) - _MOST, 0)
        return [*bad, *(["Well again:"] if bad and well else []), *well,
                *([f"… and {counted(more, 'partition')} more"] if more else [])]

    def _about(self, standing: Standing, sentence: str) -> str:
        text = printable_lines(shortened(sentence.strip(), _LONGEST))
        return text if standing.partition is None else f"[{standing.partition}] {text}"

    @property
    def link(self) -> str | None:
        """The page of the run that it is about, where one is known."""
        return next((standing.link for standing in (*self.bad, *self.well) if standing.link), None)

    @property
    def footer(self) -> str:
        """The command that shows more, and the owners."""
        owners = f" · {', '.join(self.owners)}" if self.owners else ""
        return f"candu-sync status{f' {self.sync}' if '/' in self.sync else ''}{owners}"

    @property
    def text(self) -> str:
        """The notice as plain text."""
        link = [f"The run: {self.link}"] if self.link else []
        return "\n".join([self.title, *self.lines, *link, self.footer])

    def slack(self) -> dict[str, Any]:
        """The body of a webhook of Slack's form. Its text is escaped: no error can mention a channel, or forge a link.
        """
        link = [f"<{_escaped(self.link)}|The run>"] if self.link else []
        return {"text": "\n".join([f"*{_escaped(self.title)}*", *map(_escaped, self.lines), *link,
                                   _escaped(self.footer)])}

    def json(self) -> dict[str, Any]:
        """The body of any other webhook."""
        return {"source": "candu-sync", "at": self.at.isoformat(timespec="seconds"), "sync": self.sync,
                "state": self._state, "title": self.title, "text": self.text,
                "problems": [{"partition": standing.partition, "code": problem.code, "sentence": problem.sentence}
                             for standing in self.bad for problem in standing.said],
                "recovered": [] if self.trial else [standing.partition for standing in self.well],
                "owners": list(self.owners), "link": self.link}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
