"""The result of a model: batches → canonical rows, each with the reason why it is set aside, if any.

Does not know the snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.rows.columns import LARGEST_MESSAGE as LARGEST_MESSAGE
    from candu_sync.rows.columns import MESSAGE_TOO_LARGE as MESSAGE_TOO_LARGE
    from candu_sync.rows.columns import Canonical as Canonical
    from candu_sync.rows.columns import first_reason as first_reason
    from candu_sync.rows.columns import where as where
    from candu_sync.rows.duckdb_forms import SqlForm as SqlForm
    from candu_sync.rows.duckdb_forms import sql_form as sql_form
    from candu_sync.rows.duckdb_forms import sql_id as sql_id
    from candu_sync.rows.duckdb_forms import sql_joined_key as sql_joined_key
    from candu_sync.rows.duckdb_forms import sql_key_part as sql_key_part
    from candu_sync.rows.instants import as_instants as as_instants
    from candu_sync.rows.keys import BLANK_KEY as BLANK_KEY
    from candu_sync.rows.keys import NOT_AN_ID as NOT_AN_ID
    from candu_sync.rows.keys import NOT_WHOLE as NOT_WHOLE
    from candu_sync.rows.keys import NULL_KEY as NULL_KEY
    from candu_sync.rows.keys import ids as ids
    from candu_sync.rows.keys import key_parts as key_parts
    from candu_sync.rows.kinds import ARROW as ARROW
    from candu_sync.rows.kinds import SQL_TYPE as SQL_TYPE
    from candu_sync.rows.kinds import Trait as Trait
    from candu_sync.rows.kinds import Unsendable as Unsendable
    from candu_sync.rows.kinds import ValueKind as ValueKind
    from candu_sync.rows.kinds import kind_of as kind_of
    from candu_sync.rows.result import EMAIL_NOT_TEXT as EMAIL_NOT_TEXT
    from candu_sync.rows.result import RESERVED_EVENT as RESERVED_EVENT
    from candu_sync.rows.result import Result as Result
    from candu_sync.rows.result import check_columns as check_columns
    from candu_sync.rows.result import trait_columns as trait_columns
    from candu_sync.rows.values import canonical as canonical
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "columns": "Canonical LARGEST_MESSAGE MESSAGE_TOO_LARGE first_reason where",
        "duckdb_forms": "SqlForm sql_form sql_id sql_joined_key sql_key_part",
        "instants": "as_instants",
        "keys": "BLANK_KEY NOT_AN_ID NOT_WHOLE NULL_KEY ids key_parts",
        "kinds": "ARROW ValueKind SQL_TYPE Trait Unsendable kind_of",
        "result": "EMAIL_NOT_TEXT RESERVED_EVENT Result check_columns trait_columns",
        "values": "canonical",
    })
