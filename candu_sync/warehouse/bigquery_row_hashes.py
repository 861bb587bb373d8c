"""BigQuery's row hashes: ``FARM_FINGERPRINT`` of a row's text (see ``text_forms.py``).

https://cloud.google.com/bigquery/docs/reference/standard-sql says of it that its output for an input never changes, and
of the functions here that they are exact. ``TO_JSON_STRING`` is not used: it writes NUMERIC as a number whose digits
its readers may cut. There is no text of a float that is promised to be exact. The columns are asked for by a dry run,
which costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from candu_sync.warehouse.bigquery_arrow import described_bigquery
from candu_sync.warehouse.row_hashes import NotHashed
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

_CAST = "cast({0} as string)"

_FORMS: Mapping[str, Form] = {
    **dict.fromkeys(("INTEGER", "INT64", "NUMERIC", "BIGNUMERIC"), Form(NUMBER, _CAST)),
    **dict.fromkeys(("BOOLEAN", "BOOL"), Form(BOOLEAN, _CAST)),
    # Without its collation.
    "STRING": Form(TEXT, "collate({0}, '')", free=True),
    "DATE": Form(INSTANT, "cast(unix_date({0}) as string)"),
    "DATETIME": Form(INSTANT, "cast(datetime_diff({0}, datetime '1970-01-01 00:00:00', microsecond) as string)"),
    "TIMESTAMP": Form(INSTANT, "cast(unix_micros({0}) as string)"),
    "TIME": Form(pa.time64("us"), "cast(time_diff({0}, time '00:00:00', microsecond) as string)"),
}


def _columns(asking: Asking) -> Sequence[HashedColumn]:
    fields = described_bigquery(asking.query)
    if fields is None:
        raise NotHashed("the client is one of your own")
    return [HashedColumn(field.name, quoted(field.name, "`"), *_form(field)) for field in fields]


def _form(field: object) -> tuple[str, Form | None]:
    kind, mode = str(getattr(field, "field_type", "")), getattr(field, "mode", None)
    if mode == "REPEATED":
        return f"ARRAY<{kind}>", None
    precision = getattr(field, "timestamp_precision", None)
    if kind == "TIMESTAMP" and getattr(precision, "value", precision) not in (None, 6):
        return "TIMESTAMP(12)", None
    return kind, _FORMS.get(kind)


BIGQUERY = TextDialect(
    path="bigquery arrow", columns=_columns, joined=concatenated,
    hash="farm_fingerprint({0})", total="cast(sum(cast({0} as numeric)) as string)", length="char_length({0})",
    digits=_CAST,
    # A query has a megabyte at most.
    most_keys=30_000)
