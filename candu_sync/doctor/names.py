"""The ids of the tests: clearly named, and short enough to type."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

from candu_sync.doctor.steps import PAST

# Without letters that look like digits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 5


@dataclass(frozen=True)
class Names:
    """The ids of one examination.

    Attributes:
        id: the short id.
        began: when the examination did, UTC and without a zone. Events that are not of the past have this time.

    Example:
        >>> Names("k3m7q", dt.datetime(2026, 11, 28, 13)).filled("{user} and {second} in {group}, as of {past}")
        'candu-sync-doctor-k3m7q and candu-sync-doctor-k3m7q-2 in candu-sync-doctor-k3m7q, as of 2026-10-29'
    """

    id: str
    began: dt.datetime

    @property
    def user(self) -> str:
        """The test user, and the test group."""
        return f"candu-sync-doctor-{self.id}"

    @property
    def second(self) -> str:
        """The second user of a request."""
        return f"{self.user}-2"

    @property
    def past(self) -> dt.datetime:
        """When the event of the past happened: noon, UTC, so that it is the same day in most time zones."""
        return dt.datetime.combine(self.began.date() - dt.timedelta(days=PAST), dt.time(12))

    def filled(self, text: str) -> str:
        """A text of a step with the ids in it."""
        return text.format(user=self.user, second=self.second, group=self.user, past=self.past.date().isoformat())


def new_names() -> Names:
    """Ids that no examination had before."""
    short = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return Names(short, dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0))
