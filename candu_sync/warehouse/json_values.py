"""Columns of JSON that arrive as text: their scalars become values.

Objects and arrays are known by their first character, so they are never parsed, however deep they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.arrow_types import ARRAY, NOT_UTF8, OBJECT, numeric, unusable

_NUMBER = r"^(-?\d+(\.\d+)?([eE][+-]?\d+)?|-?Infinity|NaN)$"
"""A number of JSON's; NaN and Infinity are what DuckDB writes of a VARIANT."""

_TEXT = r'(?s)^".*"$'

_SURROGATE = r"\\u[dD][89a-fA-F]"
"""Half of a character that JSON escapes as two."""


def scalars(batch: pa.RecordBatch, columns: Collection[int]) -> Iterator[pa.RecordBatch]:
    """The batch with the JSON of some columns read: rows whose JSON is of one kind make a batch of their own.

    Args:
        batch: n rows.
        columns: indexes of string columns that hold JSON. Text that is no JSON stays text.

    Returns:
        Batches of n rows together, in which such a column is string, bool, ``NUMERIC`` or ``UNUSABLE`` (an object, an
        array, text that is not UTF-8), or null when it holds nothing.

    Example:
        >>> batch = pa.record_batch({"x": ['"a"', "7.50", "[1]", None]})
        >>> [(str(part["x"].type).split("[")[0], part.num_rows) for part in scalars(batch, [0])]
        [('string', 2), ('extension<arrow.opaque', 1), ('extension<arrow.opaque', 1)]
    """
    parts = [batch]
    for index in columns:
        parts = [piece for part in parts for piece in _apart(part, index)]
    yield from parts


def _apart(batch: pa.RecordBatch, index: int) -> Iterator[pa.RecordBatch]:
    column = batch.column(index)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        # Only nulls, or bytes that are no text.
        yield batch
        return
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, "null"), pa.scalar(None, pa.string()), texts)
    kinds = _kinds(texts)
    present = pc.unique(kinds).drop_null().to_pylist()
    if not present:
        yield batch.set_column(index, batch.schema.names[index], pa.nulls(batch.num_rows))
    for place, kind in enumerate(present):
        # Nulls fit every kind: they are put with the first.
        mine = pc.fill_null(pc.equal(kinds, kind), place == 0)
        values = _READERS[kind](texts.filter(mine))
        yield batch.filter(mine).set_column(index, batch.schema.names[index], values)


def _kinds(texts: pa.Array) -> pa.Array:
    """Which of ``_READERS`` reads each text; null for null."""
    kinds = pc.if_else(pc.is_in(texts, pa.array(["true", "false"])), "boolean", "other")
    kinds = pc.if_else(pc.match_substring_regex(texts, _NUMBER), "number", kinds)
    kinds = pc.if_else(pc.match_substring_regex(texts, _TEXT), "text", kinds)
    for first, kind in (("[", "array"), ("{", "object")):
        kinds = pc.if_else(pc.starts_with(texts, first), kind, kinds)
    escaped = pc.fill_null(pc.and_(pc.equal(kinds, "text"), pc.match_substring(texts, "\\")), False)
    kinds = pc.if_else(escaped, "escaped", kinds)
    halves = pc.and_(escaped, pc.fill_null(pc.match_substring_regex(texts, _SURROGATE), False))
    read = ["escaped" if _is_text(text) else "not UTF-8" for text in texts.filter(halves).to_pylist()]
    return pc.replace_with_mask(pc.if_else(texts.is_valid(), kinds, None), halves, pa.array(read, pa.string()))


def _is_text(json_text: str) -> bool:
    """Whether its escapes are characters: a surrogate without its other half is no character."""
    try:
        _loaded(json_text).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unquoted(texts: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(texts, 1, -1)


def _unescaped(texts: pa.Array) -> pa.Array:
    return pa.array([None if text is None else _loaded(text) for text in texts.to_pylist()], pa.string())


def _loaded(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text


def _unusable(what: str) -> Callable[[pa.Array], pa.Array]:
    return lambda texts: unusable(texts.is_valid(), what)


_READERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "text": _unquoted,
    "escaped": _unescaped,
    "number": numeric,
    "boolean": lambda texts: pc.equal(texts, "true"),
    "object": _unusable(OBJECT),
    "array": _unusable(ARRAY),
    "not UTF-8": _unusable(NOT_UTF8),
    "other": lambda texts: texts,
}
