"""Snowflake's row hashes: the lower half of the MD5 of a row's text (see ``text_forms.py``).

A cast of a date or an instant to text takes the session's format, which may leave fractions out. So they are counted.
There is no exact text of a float, and of a time none that was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from candu_sync.warehouse.snowflake_arrow import described_snowflake
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
    quoted,
)

# An instant is the same in each zone.
_INSTANT = Form(INSTANT, "to_varchar(date_part(epoch_nanosecond, {0}))")

_FORMS: Mapping[int, tuple[str, Form | None]] = {
    0: ("NUMBER", Form(NUMBER, "to_varchar({0})")),
    1: ("FLOAT", None),
    # Texts of two collations cannot be joined.
    2: ("VARCHAR", Form(TEXT, "collate({0}, '')", free=True)),
    3: ("DATE", Form(INSTANT, "to_varchar(datediff(day, '1970-01-01'::date, {0}))")),
    4: ("TIMESTAMP", _INSTANT),
    5: ("VARIANT", None),
    6: ("TIMESTAMP_LTZ", _INSTANT),
    7: ("TIMESTAMP_TZ", _INSTANT),
    8: ("TIMESTAMP_NTZ", _INSTANT),
    9: ("OBJECT", None),
    10: ("ARRAY", None),
    11: ("BINARY", None),
    12: ("TIME", None),
    13: ("BOOLEAN", Form(BOOLEAN, "case when {0} then 't' else 'f' end")),
}
"""Codes of types in ``cursor.description``: https://docs.snowflake.com/en/developer-guide/python-connector/
python-connector-api, "Type codes"."""


def _columns(asking: Asking) -> Sequence[HashedColumn]:
    found = described_snowflake(asking.query)
    return [HashedColumn(name, quoted(raw), *_FORMS.get(code, (f"number {code}", None))) for name, raw, code in found]


SNOWFLAKE = TextDialect(
    path="snowflake arrow", columns=_columns, joined=concatenated,
    hash="md5_number_lower64({0})", signed=False,
    total="to_varchar(sum(cast({0} as number(37, 0))))", length="length({0})",
    # A list takes 16,384. A text has 16 MB at most.
    most_keys=16_000, longest=10_000, digest="md5({0})")
