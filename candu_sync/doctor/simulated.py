"""What a person would see in Candu, read from a simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from candu_sync.doctor.names import Names
from candu_sync.doctor.steps import SIZES, SMALL, TRAIT, Step
from candu_sync.simulator import change_assumptions, on_this_machine, read_simulator


def answers_at(api_url: str) -> bool:
    """Whether a simulator does."""
    return on_this_machine(api_url) and read_simulator(api_url, "stats") is not None


class Simulated:
    """The simulator at a URL.

    Args:
        names: of the examination.
    """

    def __init__(self, api_url: str, names: Names) -> None:
        self._url = api_url
        self._names = names

    def prepare(self, step: Step) -> None:
        """Do what has to be done before a step."""
        if step.name == "signed_identities":
            change_assumptions(self._url, {"signed_identities": True})

    def sees(self, step: Step) -> bool:
        """Whether the answer to the question of a step is yes."""
        seen = _LOOKS[step.name](self)
        if step.name == "signed_identities":
            change_assumptions(self._url, {"signed_identities": False})
        return seen

    def trait(self, name: str = "", *, second: bool = False) -> Any:
        """The value of a trait of the test user, ``name`` as it follows ``TRAIT``."""
        user = self._read(f"users/{quote(self._names.second if second else self._names.user)}")
        return None if user is None else user["traits"].get(f"{TRAIT}{name}")

    def is_member(self) -> bool:
        """Whether the group has its trait, and the user as its member."""
        found = self._read(f"groups?search={quote(self._names.user)}") or {"groups": []}
        return any(group["traits"].get(TRAIT) == "one group" and self._names.user in group["members"]
                   for group in found["groups"])

    def times(self, event: str) -> list[str]:
        """The timestamps of the events of a name."""
        found = self._read("events?limit=100") or {"events": []}
        return [str(row["timestamp"]) for row in found["events"]
                if row["user_id"] == self._names.user and row["event"] == event]

    def is_past(self) -> bool:
        """Whether the event of the past has its own time."""
        return [time[:10] for time in self.times("candu-sync doctor: past")] == [self._names.past.date().isoformat()]

    def _read(self, path: str) -> Any:
        return read_simulator(self._url, path)


def _number(size: int) -> Callable[[Simulated], bool]:
    return lambda candu: bool(candu.trait("_array") == size)


_LOOKS: dict[str, Callable[[Simulated], bool]] = {
    "identify": lambda candu: bool(candu.trait() == "one identify"),
    "array": lambda candu: (candu.trait("_array"), candu.trait("_array", second=True)) == (1, 2),
    "group": Simulated.is_member,
    "nulls": lambda candu: candu.trait("_null") is None,
    "duplicates": lambda candu: len(candu.times("candu-sync doctor: repeated")) == 1,
    "past_events": Simulated.is_past,
    "signed_identities": lambda candu: candu.trait("_signed") is not None,
    **{f"array_{size}": _number(size) for size in (SMALL, *SIZES)},
}
