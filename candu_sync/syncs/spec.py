"""The settings of a sync, as its YAML file gives them: names, types and defaults.

A field's description ends the error about a wrong value ("allowed: ...") and an editor shows it next to the key
(sync.schema.json). So each describes the values that are allowed. What depends on the folder that the file is in, or on
two keys at once, is in ``constraints.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict, JsonValue

from candu_sync.syncs import fields
from candu_sync.syncs.shards import shard_keys

__all__ = ["Cursor", "DbtRules", "Every", "Guard", "Kind", "Partitions", "Scalar", "SeenIds", "Spec"]

Kind = Literal["users", "groups", "events"]
Every = Literal["daily", "hourly", "weekly", "monthly"]
Segments = Literal["static", "dynamic", "shards"]
Scalar = bool | int | float | str

MOST_SHARDS = 1000


def _constant(value: object) -> Scalar:
    # The bound is JSON's: beyond 2^53 a reader that holds numbers as doubles sees another number.
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int) and abs(value) <= 2**53:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("must be text, true or false, or a finite number (a whole one up to 2^53)")


def _column_or_columns(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("the list is empty; name at least one, or leave the key out")
    return values


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value} is listed twice; keep one")
        seen.add(value)
    return values


def _partition_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        if "..." in key or re.search(r"[\x00-\x1f]", key):
            raise ValueError(f"the key {key!r} holds an ellipsis or a control character, which Dagster refuses")
    return _distinct(keys)


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for name, value in tags.items():
        if not re.fullmatch(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}", name):
            raise ValueError(f"the name {name!r} may hold letters, digits, _ - . and one / (63 characters each side)")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{0,63}", value):
            raise ValueError(f"the value of {name} may hold letters, digits, _ - . (63 characters at most)")
    return tags


def _automation(text: str) -> str:
    if text in ("on_upstream", "none"):
        return text
    line, zone = fields.cron_and_zone(text)
    return " ".join([fields.cron(line), *([fields.zone(zone)] if zone else [])])


def _written(parse: Callable[[Any], object], *examples: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """A value that is written as text in YAML, and read by one of the notations."""
    return BeforeValidator(parse), WithJsonSchema({"type": "string", "examples": list(examples)})


_Text = Annotated[str, Field(pattern=r"\S")]
_Constant = Annotated[Scalar, PlainValidator(_constant), WithJsonSchema({"type": ["string", "number", "boolean"]})]
_Constants = dict[_Text, _Constant]
_Schema = Annotated[dict[Literal["schema"], _Text], Field(min_length=1)]
_Names = Annotated[tuple[_Text, ...], AfterValidator(_distinct)]
_Key = Annotated[
    tuple[_Text, ...],
    AfterValidator(_some),
    AfterValidator(_distinct),
    BeforeValidator(_column_or_columns),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
_Date = Annotated[datetime, *_written(fields.start_date, "2026-01-01")]
_Hour = Annotated[datetime, *_written(fields.start_time, "2026-01-01", "2026-01-01T13:00")]
_Duration = Annotated[timedelta, *_written(fields.duration, "1 day", "36 hours", "PT36H")]
_Refresh = Annotated[timedelta, *_written(fields.refresh, "30 days", "2 weeks")]
_Ratio = Annotated[float, Field(strict=True, ge=0, le=1)]
_Count = Annotated[int, Field(strict=True, ge=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cursor(_Settings):
    """Where a run of events begins: at the newest value of the column that was sent, less the lookback."""

    column: _Text = Field(default="timestamp", description="the column of the time that an event is found by")
    lookback: _Duration = Field(
        default=timedelta(days=1),
        description="how late an event may arrive and still be found: 1 day, 36 hours, 90 minutes, or like PT36H",
        json_schema_extra={"default": "1 day"},
    )


class Guard(_Settings):
    """When a run stops before anything is sent. The shares are of the snapshot's rows, that of invalid ones of the
    result's."""

    min_rows: _Count | None = Field(
        default=1,
        description="the fewest rows of a result, a whole number; the default is 1 for users and groups and 0 for "
        "events, since an hour without an event is a normal one; null: no limit",
    )
    max_changed: _Ratio | None = Field(
        default=0.5, description="the largest share of rows that may change, 0 to 1; null: no limit")
    max_removed: _Ratio | None = Field(
        default=0.2, description="the largest share of rows that may be gone, 0 to 1; null: no limit")
    max_added: _Ratio | None = Field(
        default=0.9,
        description="of the events that are older than the newest one sent, the largest share that may be unknown, "
        "0 to 1; null: no limit")
    max_messages: _Count | None = Field(
        default=None, description="the most messages of a run, a whole number; null: no limit", examples=[100000])
    max_invalid: _Ratio | None = Field(
        default=None,
        description="the largest share of a result's rows that may be invalid, 0 to 1; fewer are not worth a warning; "
        "null: no limit, and every invalid row is one", examples=[0.01])
    max_new_traits_rows: _Count | None = Field(
        default=None,
        description="the most rows that change by nothing but new traits, a whole number; null: no limit",
        examples=[100000])


def _at_most_one(names: tuple[str, ...]) -> JsonDict:
    """JSON Schema for it."""
    given: list[JsonValue] = [{"required": [name]} for name in names]
    return {"oneOf": [*given, {"not": {"anyOf": given}}]}


class Partitions(_Settings):
    """Parts of a model's result, each with its own snapshot: windows of time, segments or shards, or windows with one
    of these, which is a part for each pair."""

    model_config = ConfigDict(json_schema_extra={
        "anyOf": [{"required": [name]} for name in (*get_args(Every), *get_args(Segments))],
        "allOf": [_at_most_one(get_args(Every)), _at_most_one(get_args(Segments))],
        "dependentRequired": {"dynamic": ["values"], "values": ["dynamic"]},
    })

    daily: _Date | None = Field(default=None, description="the date of the first day, like 2026-01-01 (UTC)")
    hourly: _Hour | None = Field(default=None, description="the first hour, like 2026-01-01T13:00 (UTC)")
    weekly: _Date | None = Field(
        default=None, description="the first week's Monday, like 2026-01-05 (UTC); else the next Monday")
    monthly: _Date | None = Field(
        default=None, description="the first day of the first month, like 2026-01-01 (UTC); else the next such day")
    static: Annotated[tuple[_Text, ...], AfterValidator(_some), AfterValidator(_partition_keys)] | None = Field(
        default=None, description="a list of keys, like [eu, us]; write numbers in quotes")
    dynamic: _Text | None = Field(
        default=None, description="a name for the set of keys, like segments; values is the SQL that finds them")
    values: _Text | None = Field(
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


class SeenIds(_Settings):
    """The ids that Candu sees in browsers, for a comparison with those of the model: SQL or a file."""

    model_config = ConfigDict(json_schema_extra=_at_most_one(("seen", "file")) | {
        "anyOf": [{"required": ["seen"]}, {"required": ["file"]}]})

    seen: _Text | None = Field(
        default=None,
        description="SQL of the warehouse whose one column, or whose column user_id, holds the ids, like select "
        "distinct user_id from app.candu_events")
    file: _Text | None = Field(
        default=None,
        description="a CSV file with the ids in its one column, or in one named like user_id; the path begins at "
        "CANDU_SQL_DIR")

    @model_validator(mode="after")
    def _one(self) -> SeenIds:
        if (self.seen is None) == (self.file is None):
            raise ValueError("give one of seen, which is SQL, and file, which is a CSV")
        return self


class DbtRules(_Settings):
    """What must hold of the dbt models that a sync reads, before it reads them."""

    contract: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="true or false: dbt enforces a contract of each model that the sync reads")
    tests: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="true or false: each model that the sync reads has tests, and all passed since it was built")


class Spec(_Settings):
    """The settings of a sync. Every key is optional."""

    description: str = Field(
        default="", description="text: what the sync is for (without it, the comment that the SQL starts with)")
    key: _Key | None = Field(
        default=None,
        description="the column, or the list of columns, that identify a row; the defaults are user_id for users, "
        "[group_id, user_id] for groups and event_id for events",
        examples=["user_id", ["group_id", "user_id"]],
    )
    rename: dict[_Text, _Text] = Field(
        default={},
        description="a mapping of column to trait, like {plan_name: plan}",
        examples=[{"plan_name": "plan"}],
    )
    omit: _Names = Field(
        default=(),
        description="a list of columns that are read and not sent, like [internal_note]",
        examples=[["internal_note"]],
    )
    payload: Literal["changed", "full"] = Field(
        default="changed",
        description="changed (only the traits that changed) or full (all of the row's traits, once any changed)",
    )
    nulls: Literal["send", "omit"] | _Constants | None = Field(
        default=None,
        description="what becomes of a sent trait that turns null: send (as null), omit (not sent), or a mapping "
        "of trait to the text, number, true or false that replaces null, like {plan: none, seats: 0}; the default is "
        "that of CANDU_NULLS, which is send",
        examples=["send", "omit", {"plan": "none", "seats": 0}],
    )
    removed: Literal["keep"] | _Constants = Field(
        default="keep",
        description="what becomes of a row that left the result: keep (nothing is sent), or a mapping of trait to the "
        "text, number, true or false to set, like {in_segment: false}",
        examples=["keep", {"in_segment": False}],
    )
    timezone: Annotated[str, AfterValidator(fields.zone)] = Field(
        default="UTC",
        description="the IANA time zone of timestamps without a zone, like Europe/Paris",
        examples=["UTC", "Europe/Paris"],
    )
    partitions: Partitions | None = Field(
        default=None,
        description="a mapping: daily, hourly, weekly or monthly with the first date, static with a list of keys, "
        "dynamic with a name and values with SQL, shards with a number, or one of the first four and one of these, "
        "like {daily: 2026-01-01}",
        examples=[{"daily": "2026-01-01"}, {"static": ["eu", "us"]}, {"daily": "2026-01-01", "static": ["eu", "us"]}],
    )
    cursor: Cursor | None = Field(
        default=None,
        description="for events without partitions, a mapping of column and lookback, like "
        "{column: timestamp, lookback: 1 day}",
        examples=[{"column": "timestamp", "lookback": "1 day"}],
    )
    guard: Guard = Field(
        default=Guard(),
        description="when a run stops before anything is sent: a mapping of min_rows, max_changed, max_removed, "
        "max_added, max_messages, max_invalid and max_new_traits_rows, like {max_changed: 0.5}",
        examples=[{"max_changed": 0.5}],
    )
    refresh: _Refresh | None = Field(
        default=None,
        description="the time within which each row of users or groups is sent whole again, a few rows in each run: "
        "30 days, 2 weeks, or like P30D, 1 day at least; null: only changes are sent",
    )
    uncertain: Literal["resend", "skip"] = Field(
        default="resend",
        description="what becomes of events that were in flight when a process died: resend (Candu may count them "
        "twice) or skip (Candu may miss them)",
    )
    unidentified: Literal["send", "hold"] = Field(
        default="send",
        description="what becomes of events and memberships of users that no sync has identified: send or hold (they "
        "wait until a sync of users has sent the user)",
    )
    preview: Literal["redacted", "values", "none"] = Field(
        default="redacted", description="what samples show in plans and in Dagster: redacted, values or none")
    history: Literal["values", "names", "none"] = Field(
        default="names",
        description="what the history keeps of each row that was sent: values (old and new), names (of the traits, "
        "with a salted hash of each new value) or none",
    )
    ids: SeenIds | None = Field(
        default=None,
        description="for users, the ids that Candu sees in browsers, which are compared with those that are sent: a "
        "mapping of seen with SQL, or of file with a CSV, like {seen: select distinct user_id from app.candu_events}",
        examples=[{"seen": "select distinct user_id from app.candu_events"}],
    )
    report: Literal["none"] | _Schema | None = Field(
        default=None,
        description="the tables that take the sync's runs: a mapping with the schema, like {schema: candu_sync}, or "
        "none; the default is that of CANDU_REPORT_SCHEMA",
        examples=[{"schema": "candu_sync"}, "none"],
    )
    route: Literal["candu", "segment"] | None = Field(
        default=None,
        description="how the messages reach Candu: candu (directly) or segment (by Segment, with SEGMENT_WRITE_KEY); "
        "the default is that of CANDU_ROUTE",
        examples=["candu", "segment"],
    )
    deps: _Names = Field(
        default=(),
        description="a list of upstream asset keys, dbt models among them, like [dim_users]",
        examples=[["dim_users"]],
    )
    dbt: DbtRules = Field(
        default=DbtRules(),
        description="what must hold of the dbt models that the sync reads, else it does not run: a mapping of contract "
        "and tests, like {contract: true, tests: true}",
        examples=[{"contract": True, "tests": True}],
    )
    automation: Annotated[str, AfterValidator(_automation)] = Field(
        default="none",
        description='a cron line of five fields like "0 * * * *", in UTC or with a time zone at its end, like '
        '"0 6 * * 1-5 Europe/Paris"; on_upstream or none',
        examples=["0 * * * *", "0 6 * * 1-5 Europe/Paris", "on_upstream", "none"],
    )
    owners: Annotated[tuple[Annotated[str, AfterValidator(fields.owner)], ...], AfterValidator(_distinct)] = Field(
        default=(), description="a list of e-mail addresses or teams, like [team:growth]", examples=[["team:growth"]])
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = Field(
        default={},
        description="a mapping of name to text, like {domain: growth}",
        examples=[{"domain": "growth"}],
    )
