"""YAML 1.2 with the line of every key.

PyYAML reads YAML 1.1, where ``no`` is false, ``12:30`` is 750 and ``010`` is 8. Editors read YAML 1.2, and so does
this module: true and false, decimal numbers and null are the only plain words with a meaning (the 1.2 core schema).
Dates stay text, every key is text, and a repeated key is an error.
"""

from __future__ import annotations

import re

import yaml

__all__ = ["Lines", "YamlError", "parse"]

Lines = dict[tuple[str | int, ...], int]
"""Path of a key or of a list's item → its line, 1-based. The document itself is ``()``."""


class YamlError(ValueError):
    """The text is not one YAML document. ``line`` is 1-based, None where PyYAML does not know it."""

    def __init__(self, message: str, line: int | None) -> None:
        self.line = line
        super().__init__(message)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own name, emptied of YAML 1.1


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

    Raises YamlError for text that is not one YAML document, for a repeated key and for a tag that is not YAML's own.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: Lines = {(): 1}
        if node is None:
            return None, lines
        _locate(node, (), lines, ())
        return loader.construct_document(node), lines
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"not valid YAML: {error.problem or error.context}", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(f"not valid YAML: {str(error).splitlines()[0]}", None) from None


def _locate(node: yaml.Node, path: tuple[str | int, ...], lines: Lines, above: tuple[yaml.Node, ...]) -> None:
    if node in above:
        raise YamlError("not valid YAML: an anchor holds itself", node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                shown = key.value if isinstance(key, yaml.ScalarNode) else "here"
                raise YamlError(f"the key {shown} is not text; write it in quotes", line)
            inner = (*path, key.value)
            _locate(key, inner, lines, above)
            if inner in lines:
                raise YamlError(f"{key.value} stands here a second time (first in line {lines[inner]}); keep one", line)
            lines[inner] = line
            _locate(value, inner, lines, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            lines[*path, position] = item.start_mark.line + 1
            _locate(item, (*path, position), lines, (*above, node))
    elif re.search(r"[\ud800-\udfff]", node.value):
        raise YamlError("a \\u escape names half a character; write the character itself", node.start_mark.line + 1)
