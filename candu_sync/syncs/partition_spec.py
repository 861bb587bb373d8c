"""The setting ``partitions`` of a sync's YAML."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from candu_sync.syncs.field_types import Date, Hour, Keys, Text, YamlMapping, at_most_one
from candu_sync.syncs.shards import shard_keys

Every = Literal["daily", "hourly", "weekly", "monthly"]
Segments = Literal["static", "dynamic", "shards"]

MOST_SHARDS = 1000


class Partitions(YamlMapping):
    """Parts of a model's result, each with its own snapshot: windows of time, segments or shards, or windows with one
    of these, which is a part for each pair."""

    model_config = ConfigDict(json_schema_extra={
        "anyOf": [{"required": [name]} for name in (*get_args(Every), *get_args(Segments))],
        "allOf": [at_most_one(get_args(Every)), at_most_one(get_args(Segments))],
        "dependentRequired": {"dynamic": ["values"], "values": ["dynamic"]},
    })

    daily: Date | None = Field(default=None, description="the date of the first day, like 2026-01-01 (UTC)")
    hourly: Hour | None = Field(default=None, description="the first hour, like 2026-01-01T13:00 (UTC)")
    weekly: Date | None = Field(
        default=None, description="the first week's Monday, like 2026-01-05 (UTC); else the next Monday")
    monthly: Date | None = Field(
        default=None, description="the first day of the first month, like 2026-01-01 (UTC); else the next such day")
    static: Keys | None = Field(
        default=None, description="a list of keys, like [eu, us]; write numbers in quotes")
    dynamic: Text | None = Field(
        default=None, description="a name for the set of keys, like segments; values is the SQL that finds them")
    values: Text | None = Field(
        default=None,
        description="SQL whose one column holds the keys of dynamic, like select distinct segment from members",
    )
    shards: Annotated[int, Field(strict=True, ge=2, le=MOST_SHARDS)] | None = Field(
        default=None,
        description=f"in how many parts the rows are divided by a hash, a whole number from 2 to {MOST_SHARDS}",
        examples=[16])

    @model_validator(mode="after")
    def _one_of_each(self) -> Partitions:
        if not self._given(Every) and not self._given(Segments):
            raise ValueError(f"give one of {', '.join((*get_args(Every), *get_args(Segments)))}, or a window of time "
                             "and one of static, dynamic and shards")
        for choices, what in (Every, "window of time"), (Segments, "set of keys"):
            if len(given := self._given(choices)) > 1:
                raise ValueError(f"give one {what}, not {' and '.join(given)}")
        if (self.dynamic is None) != (self.values is None):
            raise ValueError("dynamic and values go together: dynamic names the keys, values is the SQL to find them")
        for key in self.static or () if self._given(Every) else ():
            if set(key) & set("|[],"):
                raise ValueError(f"the key {key!r} holds one of | [ ] , which Dagster refuses together with a window "
                                 "of time")
        return self

    def _given(self, choices: object) -> list[Any]:
        return [name for name in get_args(choices) if getattr(self, name) is not None]

    @property
    def every(self) -> Every | None:
        """Which windows of time there are; None for segments only."""
        return next(iter(self._given(Every)), None)

    @property
    def segments(self) -> Segments | None:
        """Where the segments' keys come from; None for windows only."""
        return next(iter(self._given(Segments)), None)

    @property
    def keys(self) -> tuple[str, ...] | None:
        """The segments' keys, as far as the YAML says them: those of ``static``, or of the shards; None: it does not.
        """
        return self.static if self.shards is None else shard_keys(self.shards)

    @property
    def spread(self) -> str:
        """For people: ``daily``, ``static``, ``daily × static``."""
        return " × ".join(name for name in (self.every, self.segments) if name)

    @property
    def start(self) -> datetime | None:
        """From when there are windows of time, UTC; None for segments only. It may be inside a window."""
        return self.daily or self.hourly or self.weekly or self.monthly
