"""Databricks' row hashes: ``xxhash64`` of a row's text (see ``text_forms.py``).

``xxhash64`` of several columns leaves nulls out, hence of one text. Of a float it takes the bits, with one zero and one
NaN, and a cast to text does not promise as much: so the text has this hash of the float. A TIMESTAMP_NTZ is cast to
text, which has all of its digits; as an instant it would depend on clock changes of the session's zone.
"""

from __future__ import annotations

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
    quoted,
)

_CAST = "cast({0} as string)"

_FORMS: Sequence[tuple[str, Form]] = (
    (r"tinyint|smallint|int|bigint|decimal\(\d+,\d+\)", Form(NUMBER, _CAST)),
    (r"float|double", Form(NUMBER, "cast(xxhash64({0}) as string)")),
    (r"boolean", Form(BOOLEAN, _CAST)),
    (r"string|varchar\(\d+\)|char\(\d+\)", Form(TEXT, free=True)),
    (r"string collate \w+", Form(TEXT, "collate({0}, 'UTF8_BINARY')", free=True)),
    (r"date", Form(INSTANT, "cast(unix_date({0}) as string)")),
    (r"timestamp", Form(INSTANT, "cast(unix_micros({0}) as string)")),
    (r"timestamp_ntz", Form(INSTANT, f"replace({_CAST}, ' ', 'T')")),
)
"""The types as ``describe query`` writes them."""


def _columns(asking: Asking) -> Sequence[HashedColumn]:
    return [HashedColumn(row["col_name"], quoted(row["col_name"], "`"), row["data_type"],
                         form_of(row["data_type"], _FORMS))
            for row in asking.listed(f"describe query {asking.sql}")]


DATABRICKS = TextDialect(
    path="databricks arrow", columns=_columns, joined=concatenated,
    hash="xxhash64({0})", total="cast(sum(cast({0} as decimal(38, 0))) as string)", length="length({0})",
    digits=_CAST, most_keys=20_000)
