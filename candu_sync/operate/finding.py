"""One finding about a sync: its code, how grave it is, its words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from candu_sync.naming import named

Severity = Literal["error", "warning"]

# Code → severity. An error is a mistake for certain; a warning may be intended.
SEVERITIES: dict[str, Severity] = {
    "model": "error", "precondition": "error", "unsendable": "error", "unsteady": "warning",
    "email_not_text": "error", "not_email": "warning", "alike": "warning", "space": "warning", "long_name": "warning",
    "no_traits": "warning", "many_traits": "warning",
    "near": "warning", "two_senders": "error", "no_users": "warning",
    "id_spaces": "warning", "id_case": "warning", "identity": "warning", "unidentified": "warning",
    "ids_differ": "warning", "no_seen_ids": "warning", "own_events": "warning",
    "late_window": "warning", "other_route": "error",
    "unused_window": "error", "unused_partition": "error", "unused_cursor": "warning", "always_true": "warning",
    "noise_tiny": "warning", "noise_reordered": "warning", "noise_went_back": "warning", "noise_came_back": "warning",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong or odd about a sync.

    Attributes:
        code: one of ``SEVERITIES``.
        sync: the sync's name.
        partition: the partition that was looked at; None: the finding is about the whole sync.
        column: the column or the trait; None: it is about none, or about several.
        sentence: what was found, for people. It has no value of a trait.
        advice: what to do; "": nothing better is known than the sentence.
    """

    code: str
    sync: str
    sentence: str
    advice: str = ""
    column: str | None = None
    partition: str | None = None

    @property
    def severity(self) -> Severity:
        """How grave a finding of this code is."""
        return SEVERITIES[self.code]

    @property
    def text(self) -> str:
        """The sentence and the advice."""
        return f"{self.sentence}. {self.advice}" if self.advice else self.sentence

    @property
    def named(self) -> str:
        """The text, with the sync and partition before it where it does not name them."""
        return self.text if self.sync in self.text else f"{named(self.sync, self.partition)}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        """The object that ``check --json`` and ``plan --json`` print."""
        return {"code": self.code, "severity": self.severity} | asdict(self)
