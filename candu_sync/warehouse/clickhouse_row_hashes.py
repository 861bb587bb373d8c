"""ClickHouse's row hashes: ``sipHash64`` of a row's text (see ``text_forms.py``).

``sipHash64`` of several columns is null where one of them is a null, hence of one text. Floats and ``DateTime64`` are
hashed by their bits. A ``String`` is of bytes, and ``length`` counts these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from candu_sync.warehouse.text_forms import (
    BOOLEAN,
    INSTANT,
    NUMBER,
    TEXT,
    Asking,
    Form,
    HashedColumn,
    TextDialect,
    concatenated,
    form_of,
)

_TEXT = "toString({0})"

_FORMS: Sequence[tuple[str, Form]] = (
    (r"U?Int(8|16|32|64|128|256)|Decimal\(\d+, \d+\)", Form(NUMBER, _TEXT)),
    (r"Float32", Form(NUMBER, "toString(reinterpretAsUInt32({0}))")),
    (r"Float64", Form(NUMBER, "toString(reinterpretAsUInt64({0}))")),
    (r"Bool", Form(BOOLEAN, _TEXT)),
    (r"String", Form(TEXT, _TEXT, free=True)),
    (r"UUID", Form(TEXT, _TEXT)),
    (r"Enum(8|16)\(.*\)", Form(TEXT, _TEXT, free=True)),
    (r"Date(32)?", Form(INSTANT, _TEXT)),
    (r"DateTime(\('.*'\))?", Form(INSTANT, "toString(toUnixTimestamp({0}))")),
    (r"DateTime64\(.*\)", Form(INSTANT, "toString(reinterpretAsInt64({0}))")),
)

_AROUND = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)", re.DOTALL)


def _columns(asking: Asking) -> Sequence[HashedColumn]:
    return [HashedColumn(row["name"], _quoted(row["name"]), row["type"], form_of(_inner(row["type"]), _FORMS))
            for row in asking.listed(f"describe table (\n{asking.sql}\n)")]


def _inner(type_: str) -> str:
    """The type without ``Nullable`` and ``LowCardinality``."""
    while match := _AROUND.fullmatch(type_):
        type_ = match[1]
    return type_


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


CLICKHOUSE = TextDialect(
    path="rows", columns=_columns, joined=concatenated,
    hash="reinterpretAsInt64(sipHash64({0}))", total="toString(sumWithOverflow({0}))", length="length({0})",
    digits=_TEXT,
    # A query has 256 KiB at most, as a default.
    most_keys=8_000)
