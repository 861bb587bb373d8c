"""Faults on request: what the simulator does wrong, when, and how often.

For every request to the API, all active faults are looked at, oldest first. Delays add up. Of the others, the first
that is due decides what happens: ``503 twice`` and then ``429 once`` happen in that order.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FaultKind = Literal["status", "delay", "close", "lost", "refuse", "success_false"]

_OWN_SETTINGS = {
    "status": {"status", "retry_after", "body"},
    "delay": {"seconds"},
    "refuse": {"user_ids", "status"},
}
_ANY_SETTINGS = {"kind", "times", "after", "probability", "seed", "more_than"}


class FaultSpec(BaseModel):
    """One fault as asked for. ``times`` None: until cleared. ``after``: the first n requests are answered as usual.
    ``probability`` (0 to 1, drawn with ``seed``) replaces ``times``. ``seconds``: the delay.
    ``more_than``: only requests with more messages than that.
    ``retry_after``: the header, seconds or an HTTP date. ``user_ids``: any request with one of them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    status: int | None = Field(default=None, ge=300, le=599)
    retry_after: Annotated[str, Field(pattern=r"^[ -~]+$")] | int | None = None
    body: Any = None
    seconds: float | None = Field(default=None, ge=0, le=3600)
    user_ids: frozenset[str] = frozenset()
    times: int | None = Field(default=None, ge=1)
    after: int = Field(default=0, ge=0)
    probability: float | None = Field(default=None, ge=0, le=1)
    seed: int = 0
    more_than: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        foreign = self.model_fields_set - _ANY_SETTINGS - _OWN_SETTINGS.get(self.kind, set())
        if foreign:
            raise ValueError(f"{sorted(foreign)[0]} does not belong in a fault of kind {self.kind}")
        if self.kind == "status" and self.status is None:
            raise ValueError("a fault of kind status needs a status")
        if self.kind == "delay" and self.seconds is None:
            raise ValueError("a fault of kind delay needs seconds")
        if self.kind == "refuse" and not self.user_ids:
            raise ValueError("a fault of kind refuse needs user_ids")
        if self.kind == "refuse" and (self.times or self.after or self.probability is not None):
            raise ValueError("a fault of kind refuse holds until it is cleared: no times, after or probability")
        if self.times is not None and self.probability is not None:
            raise ValueError("times or probability, not both")
        return self

    def described(self) -> str:
        """A few words for the request log: ``status 503``, ``delay 0.5 s``, ``close``."""
        if self.kind == "delay":
            return f"delay {self.seconds:g} s"
        return f"{self.kind} {self.status}" if self.status else self.kind


@dataclass
class _Active:
    spec: FaultSpec
    passed: int = 0
    fired: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def due(self) -> bool:
        spec = self.spec
        if self.passed <= spec.after or (spec.times is not None and self.fired >= spec.times):
            return False
        return spec.probability is None or self.dice.random() < spec.probability


@dataclass(frozen=True)
class Verdict:
    """What happens to one request: wait ``delay`` seconds, then play ``fault`` (None: behave)."""

    delay: float = 0.0
    fault: FaultSpec | None = None


class Faults:
    """The active faults. Safe to use from several threads."""

    def __init__(self) -> None:
        self._active: list[_Active] = []
        self._lock = threading.Lock()

    def add(self, wanted: object) -> None:
        """Adds one fault (a dict) or a list of them, all or none. ValueError says what is wrong."""
        items = wanted if isinstance(wanted, list) else [wanted]
        try:
            specs = [FaultSpec.model_validate(item) for item in items]
        except ValidationError as error:
            raise ValueError(sentence(error)) from None
        with self._lock:
            self._active += [_Active(spec, dice=random.Random(spec.seed)) for spec in specs]

    def clear(self) -> None:
        """Forgets all faults."""
        with self._lock:
            self._active.clear()

    def listed(self) -> list[dict[str, Any]]:
        """The active faults as asked for, each with how often it ``fired``."""
        with self._lock:
            return [
                active.spec.model_dump(mode="json", exclude_unset=True) | {"fired": active.fired}
                for active in self._active
            ]

    def draw(self, user_ids: set[str], messages: int = 0) -> Verdict:
        """What happens to the next request, which has ``messages`` about ``user_ids``. Faults that are used up
        leave the list."""
        delay, fault = 0.0, None
        with self._lock:
            for active in self._active:
                spec = active.spec
                if spec.more_than and messages <= spec.more_than:
                    continue
                active.passed += 1
                if spec.kind == "refuse" and not spec.user_ids & user_ids:
                    continue
                if (fault is not None and spec.kind != "delay") or not active.due():
                    continue
                active.fired += 1
                if spec.kind == "delay":
                    delay += spec.seconds or 0.0
                else:
                    fault = spec
            self._active = [a for a in self._active if a.spec.times is None or a.fired < a.spec.times]
        return Verdict(delay, fault)


def sentence(error: ValidationError) -> str:
    """What is wrong with settings, without their values."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
