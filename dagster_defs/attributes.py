"""The attributes of a component's YAML. The error about an unknown key names the nearest known one."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from candu_sync.suggestions import hint
from candu_sync.syncs import OTHER_WORDS, Cursor, Guard, Partitions, Resources

_NESTED: dict[str, type[BaseModel]] = {"guard": Guard, "cursor": Cursor, "partitions": Partitions,
                                      "resources": Resources}


def _list_names(schema: dict[str, Any]) -> None:
    """``dg check yaml`` uses only the schema, which cannot find the nearest name. So it lists them all."""
    schema["propertyNames"] = {"enum": sorted(schema["properties"])}


class Attributes(BaseModel):
    """The content of ``attributes`` in a defs.yaml: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_list_names)

    @model_validator(mode="wrap")
    @classmethod
    def _nearest_names(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            details = [_detail(cls, detail) for detail in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(cls.__name__, details)


def _detail(attributes: type[BaseModel], detail: ErrorDetails) -> InitErrorDetails:
    """An error of pydantic as it is, except for an unknown key. Dagster builds each error again, with its line, and
    knows only pydantic's own types."""
    if detail["type"] != "extra_forbidden":
        return InitErrorDetails(type=detail["type"], loc=detail["loc"], input=detail["input"],
                                ctx=detail.get("ctx", {}))
    unknown = ValueError(f"unknown key; {_meant(attributes, [str(part) for part in detail['loc']])}")
    return InitErrorDetails(type="value_error", loc=detail["loc"], input=detail["input"], ctx={"error": unknown})


def _meant(attributes: type[BaseModel], path: list[str]) -> str:
    *parents, name = path
    if parents:
        return hint(name, _NESTED.get(parents[0], attributes).model_fields, OTHER_WORDS)
    owners = [key for key in attributes.model_fields if key in _NESTED and name in _NESTED[key].model_fields]
    return f"it belongs under {owners[0]}" if owners else hint(name, attributes.model_fields, OTHER_WORDS)
