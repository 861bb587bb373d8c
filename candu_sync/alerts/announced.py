"""What was said already: for each sync a short chain of files in the state.

    alerts/users.profile/00000007.json    address → partition → the codes that were announced there

A process that has something to say puts the next file, if it is absent; so of two that want to say the same, one does.
While ``until`` lies ahead it is at work, and others leave the sync to it. It writes down each address as soon as that
one has taken the notice. If it is killed in between, the next process takes over after two minutes and says this one
notice again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from candu_sync.state import Store, sync_folder

# Seconds that one sending may take, with all its attempts.
_AT_WORK = 120.0

# Older files that stay, so that a slow process finds its number taken.
_KEPT = 3

# Address → partition ("" for the sync as a whole) → codes.
Said = dict[str, dict[str, list[str]]]


@dataclass
class Announced:
    """What was said about one sync, as far as a process has read or written it.

    Attributes:
        number: of the file; 0: there is none.
        until: until when somebody is at work; None: nobody is.
    """

    store: Store
    sync: str
    number: int = 0
    said: Said = field(default_factory=dict)
    until: dt.datetime | None = None

    @classmethod
    def read(cls, store: Store, sync: str) -> Announced:
        """The newest file. One that cannot be read counts as nothing said: a notice too many is better than none."""
        found = cls(store, sync)
        names = store.list(found._name())
        if names:
            found.number = _number(names[-1])
            try:
                body: dict[str, Any] = json.loads(store.get(names[-1]) or b"{}")
                found.said = {address: {key: list(codes) for key, codes in said.items()}
                              for address, said in body["said"].items()}
                found.until = dt.datetime.fromisoformat(body["until"]) if body["until"] else None
            except (ValueError, KeyError, TypeError, AttributeError):
                found.said, found.until = {}, None
        return found

    @property
    def at_work(self) -> bool:
        """Whether another process is saying something about this sync. A time that lies too far ahead is of another
        clock, and does not count."""
        return self.until is not None and 0 < (self.until - _now()).total_seconds() <= 2 * _AT_WORK

    def take(self) -> bool:
        """Become the one that says it, by the next file; False: another process was faster."""
        self.number += 1
        self.until = _now() + dt.timedelta(seconds=_AT_WORK)
        if not self.store.put(self._name(self.number), self._body(), create=True):
            return False
        if self.newest():
            return True
        self.store.delete(self._name(self.number))  # a slow process found a number that was used and dropped
        return False

    def newest(self) -> bool:
        """Whether no other process has taken over."""
        names = self.store.list(self._name())
        return bool(names) and _number(names[-1]) == self.number

    def note(self, address: str, said: dict[str, list[str]]) -> None:
        """Write down what an address has taken; partitions with no code are well."""
        self.said[address] = {key: codes for key, codes in said.items() if codes}
        self.until = _now() + dt.timedelta(seconds=_AT_WORK)
        self.store.put(self._name(self.number), self._body())

    def done(self) -> None:
        """The work has ended; old files are dropped."""
        self.until = None
        self.store.put(self._name(self.number), self._body())
        for name in self.store.list(self._name()):
            if _number(name) <= self.number - _KEPT:
                self.store.delete(name)

    def _name(self, number: int | None = None) -> str:
        # A file that is wrong may have any name.
        usual = re.fullmatch(r"[A-Za-z0-9_/]+", self.sync)
        folder = f"alerts/{sync_folder(self.sync if usual else hashlib.sha256(self.sync.encode()).hexdigest())}/"
        return folder if number is None else f"{folder}{number:08d}.json"

    def _body(self) -> bytes:
        # No two are alike: a store that repeats a put recognizes its own by its bytes.
        return json.dumps({"said": self.said, "until": self.until.isoformat() if self.until else None,
                           "by": uuid.uuid4().hex}).encode()


def _number(name: str) -> int:
    return int(Path(name).stem)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
