"""One YAML file, or a mapping from elsewhere → a Spec, or one error with every problem of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from candu_sync.errors import SpecError
from candu_sync.suggestions import hint
from candu_sync.syncs import yaml_lines
from candu_sync.syncs.constraints import Conflict, conflicts
from candu_sync.syncs.other_words import OTHER_WORDS, unknown_key
from candu_sync.syncs.partition_spec import Partitions
from candu_sync.syncs.spec import Cursor, DbtRules, Guard, Kind, Resources, SeenIds, Spec
from candu_sync.syncs.yaml_lines import Lines, YamlError

__all__ = ["read_spec", "spec_of"]

# Problems of one file that its error lists.
_MOST_PROBLEMS = 20

_NESTED: dict[str, type[BaseModel]] = {"guard": Guard, "cursor": Cursor, "partitions": Partitions,
                                      "dbt": DbtRules, "ids": SeenIds, "resources": Resources}


def read_spec(text: str, kind: Kind, *, path: str, sync: str) -> Spec:
    """The settings in ``text``, the content of the file ``path``, for ``sync`` of ``kind``.

    Raises SpecError with all that is wrong; its ``line`` is the first problem's.
    """
    try:
        data, lines = yaml_lines.parse(text)
    except YamlError as error:
        raise SpecError(path, str(error), line=error.line, sync=sync) from None
    if data is not None and not isinstance(data, dict):
        raise SpecError(path, "a sync's settings are a mapping, like payload: full, one key a line", line=1, sync=sync)
    return _spec(data or {}, lines, kind, path, sync)


def spec_of(data: dict[str, Any], kind: Kind, *, path: str, sync: str, within: str) -> Spec:
    """The settings in a mapping that another tool has read from a file, so that no lines are known.

    Args:
        path: the file, or what else a person corrects.
        within: where in it the mapping is, like ``meta.candu``.

    Raises:
        SpecError: with all that is wrong, as ``read_spec``.

    Example:
        >>> spec_of({"payload": "full"}, "users", path="models/schema.yml", sync="users/x", within="meta.candu").payload
        'full'
    """
    return _spec(data, dict.fromkeys(_paths(data), 0), kind, path, sync, within)


def _paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each key and item, and that of the mapping itself."""
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*above, key))


def _spec(data: dict[str, Any], lines: Lines, kind: Kind, path: str, sync: str, within: str = "") -> Spec:
    spec, problems = _validate(data, lines)
    problems += conflicts(kind, spec)
    if problems:
        raise _one_error(problems, lines, path, sync, within)
    return spec


def _validate(data: dict[str, Any], lines: Lines) -> tuple[Spec, list[Conflict]]:
    """The settings that are well-formed, and what is wrong with the others."""
    try:
        return Spec.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    wrong = {detail["loc"][0] for detail in details}
    good = {key: value for key, value in data.items() if key not in wrong}
    return Spec.model_validate(good), [_problem(detail, lines) for detail in _relevant(details)]


def _one_error(problems: list[Conflict], lines: Lines, path: str, sync: str, within: str) -> SpecError:
    before = f"{within}." if within else ""
    placed = sorted({(_line(loc, lines), f"{before}{_dotted(loc)}: {sentence}") for loc, sentence in problems})
    (line, first), *others = placed
    more = [f"  line {at}: {text}" if at else f"  {text}" for at, text in others[: _MOST_PROBLEMS - 1]]
    if len(placed) > _MOST_PROBLEMS:
        more.append(f"  and {len(placed) - _MOST_PROBLEMS:,} more problems")
    return SpecError(path, "\n".join([first, *more]), line=line or None, sync=sync)


def _relevant(details: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """A value that may be a word or a mapping fails as both: keep the errors about the one that was written."""
    for detail in details:
        wrong_branch = "literal_error" if isinstance(detail["input"], dict) else "dict_type"
        if detail["type"] != wrong_branch or len(detail["loc"]) == 1:
            yield detail


def _problem(detail: ErrorDetails, lines: Lines) -> Conflict:
    # pydantic puts the names of a union's branches into the path: only names from the file are kept.
    path: tuple[str | int, ...] = ()
    for part in detail["loc"]:
        if (*path, part) in lines:
            path = (*path, part)
    if detail["type"] == "extra_forbidden":
        return path, _unknown(path)
    if detail["type"] == "value_error":
        return path, str(detail["ctx"]["error"])
    return path, f"{_shown(detail['input'])} is not allowed; allowed: {_allowed(path)}"


def _unknown(path: tuple[str | int, ...]) -> str:
    *parents, name = (str(part) for part in path)
    if not parents:
        owner = next((key for key, model in _NESTED.items() if name in model.model_fields), None)
        return f"unknown key; {f'it belongs under {owner}' if owner else unknown_key(name, Spec.model_fields)}"
    return f"unknown key of {parents[0]}; {hint(name, _NESTED[parents[0]].model_fields, OTHER_WORDS)}"


def _allowed(path: tuple[str | int, ...]) -> str:
    """The description of the deepest field on the path."""
    top, *below = (str(part) for part in path)
    model, name = (_NESTED[top], below[0]) if top in _NESTED and below else (Spec, top)
    return str(model.model_fields[name].description)


def _shown(value: object) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _line(path: tuple[str | int, ...], lines: Lines) -> int:
    return next(lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines)


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path if isinstance(part, str)) or "the file"
