"""The types of the fields of a sync's YAML: what a value may be, and what it becomes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.config import JsonDict, JsonValue

from candu_sync.syncs import fields

Scalar = bool | int | float | str


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


Text = Annotated[str, Field(pattern=r"\S")]
Constant = Annotated[Scalar, PlainValidator(_constant), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Constants = dict[Text, Constant]
SchemaName = Annotated[dict[Literal["schema"], Text], Field(min_length=1)]
Names = Annotated[tuple[Text, ...], AfterValidator(_distinct)]
KeyColumns = Annotated[
    tuple[Text, ...],
    AfterValidator(_some),
    AfterValidator(_distinct),
    BeforeValidator(_column_or_columns),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Date = Annotated[datetime, *_written(fields.start_date, "2026-01-01")]
Hour = Annotated[datetime, *_written(fields.start_time, "2026-01-01", "2026-01-01T13:00")]
Duration = Annotated[timedelta, *_written(fields.duration, "1 day", "36 hours", "PT36H")]
Refresh = Annotated[timedelta, *_written(fields.refresh, "30 days", "2 weeks")]
Ratio = Annotated[float, Field(strict=True, ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=0)]
Zone = Annotated[str, AfterValidator(fields.zone)]
Keys = Annotated[tuple[Text, ...], AfterValidator(_some), AfterValidator(_partition_keys)]
Automation = Annotated[str, AfterValidator(_automation)]
Owners = Annotated[tuple[Annotated[str, AfterValidator(fields.owner)], ...], AfterValidator(_distinct)]
Memory = Annotated[str, BeforeValidator(fields.memory)]
Processors = Annotated[str, BeforeValidator(fields.processors),
                       WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})]
Tags = Annotated[dict[str, str], AfterValidator(_tags)]


class YamlMapping(BaseModel):
    """A mapping of a YAML file, or a part of one: other keys than its fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def at_most_one(names: tuple[str, ...]) -> JsonDict:
    """JSON SchemaName for it."""
    given: list[JsonValue] = [{"required": [name]} for name in names]
    return {"oneOf": [*given, {"not": {"anyOf": given}}]}
