"""The pushes that are under way, as the claims in the state say, and how long it takes until another process goes on
with one whose process was killed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dagster import DagsterRun

from candu_sync.errors import StateError
from candu_sync.state import Owner, PartitionState, State, owner_of
from drills.orchestrator import Orchestrator, Part, part_of


@dataclass(frozen=True)
class Push:
    """A push that has claimed a version.

    Attributes:
        run: Dagster's; None: another process than one of Dagster's.
    """

    part: Part
    version: int
    owner: Owner
    run: DagsterRun

    @property
    def where(self) -> str:
        """The name of its machine."""
        return self.owner.host


class Claims:
    """What the state says of claims. It is read past the network that fails."""

    def __init__(self, url: str) -> None:
        self._state = State(url)

    def of(self, part: Part) -> PartitionState:
        return self._state.of(part.sync, part.partition)

    def under_way(self, dagster: Orchestrator) -> list[Push]:
        """The pushes of runs that Dagster has started."""
        found = []
        for run in dagster.started():
            part = part_of(run)
            if (claim := self.claim(part)) is not None:
                found.append(Push(part, *claim, run))
        return found

    def claim(self, part: Part) -> tuple[int, Owner] | None:
        """The version that is claimed, and by which process; None: no version is."""
        state = self.of(part)
        with suppress(StateError, ValueError, TypeError):
            for name in reversed(state.store.list(state.name("claims/"))):
                return int(Path(name).stem), owner_of(json.loads(state.store.get(name) or b""))
        return None

    def goes_on(self, push: Push) -> bool:
        """Whether it is the same process that has claimed the same version."""
        claim = self.claim(push.part)
        return claim is not None and (claim[0], claim[1].process_id) == (push.version, push.owner.process_id)

    def committed(self, push: Push) -> bool:
        """Whether its version is there."""
        newest = self.of(push.part).newest()
        return newest is not None and newest.number >= push.version


@dataclass
class TakeOvers:
    """Waits, beside the drill, until what was killed is taken over.

    Attributes:
        seconds: kind of kill → how long each took.
    """

    claims: Claims
    seconds: dict[str, list[float]] = field(default_factory=dict)
    _waiting: list[tuple[str, Push, float]] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> TakeOvers:
        self._thread = threading.Thread(target=self._watch, name="take-overs", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def killed(self, kind: str, pushes: Iterable[Push]) -> None:
        """These pushes were killed now."""
        self._waiting += [(kind, push, time.monotonic()) for push in pushes]

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            for each in list(self._waiting):
                kind, push, since = each
                with suppress(StateError):
                    if not self.claims.goes_on(push):
                        self.seconds.setdefault(kind, []).append(time.monotonic() - since)
                        self._waiting.remove(each)
