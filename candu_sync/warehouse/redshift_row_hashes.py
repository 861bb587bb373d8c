"""Redshift's row hashes: the first half of the MD5 of a row's text (see ``text_forms.py``).

A text has 65,535 bytes at most, so that of each longer one its MD5 is taken. Times are written to the microsecond with
their era, those with a zone in UTC. There is no exact text of a float; ``char`` differs from ``varchar`` by blanks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from candu_sync.warehouse.row_hashes import NotHashed
from candu_sync.warehouse.rows import described_rows
from candu_sync.warehouse.text_forms import (
    BOOLEAN,
    INSTANT,
    NUMBER,
    TEXT,
    Asking,
    Form,
    HashedColumn,
    TextDialect,
    quoted,
    with_bars,
)

_CAST = "cast({0} as varchar)"
_TO_SECOND = "YYYYMMDDHH24MISSUSBC"

_FORMS: Mapping[int, tuple[str, Form | None]] = {
    16: ("boolean", Form(BOOLEAN, "case when {0} then 't' else 'f' end")),
    **dict.fromkeys((20, 21, 23), ("integer", Form(NUMBER, _CAST))),
    1700: ("numeric", Form(NUMBER, _CAST)),
    **dict.fromkeys((700, 701), ("float", None)),
    **dict.fromkeys((25, 1043), ("varchar", Form(TEXT, free=True))),
    1042: ("char", None),
    1082: ("date", Form(INSTANT, "to_char({0}, 'YYYYMMDDBC')")),
    1083: ("time", Form(pa.time64("us"), _CAST)),
    1114: ("timestamp", Form(INSTANT, f"to_char({{0}}, '{_TO_SECOND}')")),
    1184: ("timestamptz", Form(INSTANT, f"to_char({{0}} at time zone 'UTC', '{_TO_SECOND}')")),
}
"""By the number of the type, as PostgreSQL has them, too."""

# A value takes 45 bytes at most, with its length and its blanks.
_MOST_COLUMNS = 1_400


def _columns(asking: Asking) -> Sequence[HashedColumn]:
    found = described_rows(asking.query)
    if len(found) > _MOST_COLUMNS:
        raise NotHashed(f"it has more than {_MOST_COLUMNS:,} columns")
    return [HashedColumn(name, quoted(name), *_FORMS.get(code, (f"number {code}", None))) for name, code in found]


def _half(digits: str) -> str:
    return f"strtol({digits}, 16)"


REDSHIFT = TextDialect(
    path="rows", columns=_columns, joined=with_bars,
    # 64 bits with a sign, of two numbers without one.
    hash=f"(({_half('substring(md5({0}), 1, 8)')} - 2147483648) * 4294967296 + {_half('substring(md5({0}), 9, 8)')})",
    total="cast(sum({0}) as varchar)", length="octet_length({0})",
    most_keys=10_000, longest=40, digest="md5({0})")
