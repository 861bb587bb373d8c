"""SQL of texts that are put together in one step.

``a || b || c`` copies what is there already at each step; ``concat(a, b, c)`` copies each part once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from candu_sync.diff import iso_text
from candu_sync.embedded import literal
from candu_sync.rows import ValueKind


@dataclass(frozen=True)
class Carried:
    """Which of the traits' names the messages of some rows carry, by their index; the other names are in some of them.

    Attributes:
        by_all: names that each row's message carries.
        by_none: names that none carries.
    """

    by_all: frozenset[int] = frozenset()
    by_none: frozenset[int] = frozenset()

    @classmethod
    def by(cls, rows: Sequence[pa.RecordBatch], names: int) -> Carried:
        """What rows with the flags ``c0`` … carry."""
        counts = [sum(batch.column(f"c{n}").true_count for batch in rows) for n in range(names)]
        total = sum(batch.num_rows for batch in rows)
        return cls(by_all=frozenset(n for n, count in enumerate(counts) if count == total),
                   by_none=frozenset(n for n, count in enumerate(counts) if count == 0))


# Nothing is known of the rows.
ANY = Carried()


def concat(pieces: Iterable[str]) -> str:
    """SQL of texts one after the other. A null counts as an empty text."""
    return f"concat({', '.join(pieces)})"


def members(pairs: Sequence[tuple[str, str]], carried: Carried) -> list[str]:
    """SQL of the members of a JSON object, one after the other, with the commas between them.

    Args:
        pairs: a name with a colon after it, JSON, and SQL of its value as JSON, or of a null.

    Example:
        >>> members([('"a":', "t0")], Carried(by_all=frozenset({0})))
        ['\\'"a":\\'', "coalesce(t0, 'null')"]
    """
    first = min(carried.by_all, default=None)
    if first is None:
        some = [f"CASE WHEN c{n} THEN {concat(_member(name, value))} END"
                for n, (name, value) in enumerate(pairs) if n not in carried.by_none]
        return [f"concat_ws(',', {', '.join(some)})"] if some else []
    # The commas stand on the side of the first member that each row has.
    pieces = []
    for n, (name, value) in enumerate(pairs):
        member = _member(name, value, before="," if n > first else "", after="," if n < first else "")
        if n in carried.by_all:
            pieces += member
        elif n not in carried.by_none:
            pieces.append(f"CASE WHEN c{n} THEN {concat(member)} END")
    return pieces


def _member(name: str, value: str, before: str = "", after: str = "") -> list[str]:
    return [literal(before + name), f"coalesce({value}, 'null')", *([literal(after)] if after else [])]


def json_text(column: str, kind: ValueKind) -> str:
    """SQL of a value's JSON text. A whole number is written without a fraction: 5, not 5.0. All others are written as
    the shortest text that reads back to the same double, as DuckDB does."""
    if kind is ValueKind.TEXT:
        return f"to_json({column})::VARCHAR"
    if kind is ValueKind.BOOLEAN:
        return f"{column}::VARCHAR"
    if kind is ValueKind.INSTANT:
        return f"""'"' || {iso_text(column)} || '"'"""
    whole = f"{column} = trunc({column}) AND abs({column}) <= 9007199254740992"
    return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"


def uuid_text(digest: str) -> str:
    """SQL of a digest cut and marked as a UUID of version 5, as RFC 9562 says; of a null: null."""
    return f"CASE WHEN {digest} IS NOT NULL THEN {concat(uuid_pieces(digest))} END"


def uuid_pieces(digest: str) -> list[str]:
    """SQL of the parts of such a UUID."""
    variant = f"substr('89ab', 1 + ((strpos('0123456789abcdef', substr({digest}, 17, 1)) - 1) % 4), 1)"
    return [f"substr({digest}, 1, 8)", "'-'", f"substr({digest}, 9, 4)", "'-5'", f"substr({digest}, 14, 3)", "'-'",
            variant, f"substr({digest}, 18, 3)", "'-'", f"substr({digest}, 21, 12)"]
