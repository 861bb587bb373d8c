"""YAML 1.2 with the line of every key.

PyYAML reads YAML 1.1, where ``no`` is false, ``12:30`` is 750 and ``010`` is 8. Editors read YAML 1.2, and so does
this module: true and false, decimal numbers and null are the only plain words with a meaning (the 1.2 core schema).
Dates stay text, every key is text, and a repeated key is an error.

Depth and the number of values are bounded, aliases counted as often as they are used: otherwise a short text could need
more memory, or more recursion, than there is.
"""

from __future__ import annotations

import re

import yaml

__all__ = ["Lines", "YamlError", "parse"]

Lines = dict[tuple[str | int, ...], int]
"""Path of a key or of a list's item → its line, 1-based. The document itself is ``()``."""

# A sync's settings are four levels deep. Static partitions are one value each, and Dagster advises 100,000 at most.
_MOST_LEVELS = 20
_MOST_VALUES = 100_000

# Letters of a text from the file that an error quotes.
_MOST_QUOTED = 60


class YamlError(ValueError):
    """The text is not one YAML document. ``line`` is 1-based, None where PyYAML does not know it."""

    def __init__(self, message: str, line: int | None) -> None:
        self.line = line
        super().__init__(message)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own name, emptied of YAML 1.1
    levels = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """PyYAML calls this for each value, from within the value that holds it."""
        self.levels += 1
        if self.levels > _MOST_LEVELS:
            raise _too_deep(self.get_mark().line + 1)
        node = super().compose_node(parent, index)
        self.levels -= 1
        return node


def _too_deep(line: int) -> YamlError:
    return YamlError(f"not valid here: values lie in each other more than {_MOST_LEVELS} deep", line)


def _quoted(text: str) -> str:
    return text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}…"


def _int(_: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _float(_: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


# Integers are cut at 300 digits, below the length from which int() refuses a text.
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,300}", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), ["" if c == "\0" else c for c in _first])
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def parse(text: str) -> tuple[object, Lines]:
    """The document's value and the line of each of its keys.

    Raises:
        YamlError: the text is not one YAML document, a key is repeated, a tag is not YAML's own, or the values are too
            deep or too many.

    Example:
        >>> data, lines = parse("payload: full\\nguard: {min_rows: 1}")
        >>> data
        {'payload': 'full', 'guard': {'min_rows': 1}}
        >>> lines["guard", "min_rows"]
        2
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: Lines = {(): 1}
        if node is None:
            return None, lines
        _Locator(lines).locate(node, (), ())
        return loader.construct_document(node), lines
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _quoted(error.problem or error.context or "")
        raise YamlError(f"not valid YAML: {problem}", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(f"not valid YAML: {_quoted(str(error).splitlines()[0])}", None) from None


class _Locator:
    """Notes the line of each key and item, and counts the values; those behind an alias at each use."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._values = 0

    def locate(self, node: yaml.Node, path: tuple[str | int, ...], above: tuple[yaml.Node, ...]) -> None:
        line = node.start_mark.line + 1
        self._values += 1
        if node in above:
            raise YamlError("not valid YAML: an anchor holds itself", line)
        if len(above) >= _MOST_LEVELS:
            raise _too_deep(line)
        if self._values > _MOST_VALUES:
            raise YamlError(f"holds more than {_MOST_VALUES:,} values, aliases (*name) counted at each use", line)
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path, (*above, node))
        elif isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                self._lines[*path, position] = item.start_mark.line + 1
                self.locate(item, (*path, position), (*above, node))
        elif re.search(r"[\ud800-\udfff]", node.value):
            raise YamlError("a \\u escape names half a character; write the character itself", line)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...], above: tuple[yaml.Node, ...]) -> None:
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                shown = _quoted(key.value) if isinstance(key, yaml.ScalarNode) else "here"
                raise YamlError(f"the key {shown} is not text; write it in quotes", line)
            inner = (*path, key.value)
            self.locate(key, inner, above)
            if inner in self._lines:
                raise YamlError(f"{_quoted(key.value)} appears a second time (first in line {self._lines[inner]}); "
                                "keep one", line)
            self._lines[inner] = line
            self.locate(value, inner, above)
