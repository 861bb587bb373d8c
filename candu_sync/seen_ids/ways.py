"""The ways in which two ids of one person differ, as keys in SQL: ids of one key differ in that way only."""

from __future__ import annotations

import re
from dataclasses import dataclass

# White space, invisible and control characters, as RE2 names them.
_STRAY = r"[\s\p{Z}\p{C}]"
_NUMBER = r"'\+?[0-9]+(\.0*)?'"

# usr_17, user:17, auth0|x, U17. An e-mail address has no prefix.
_PREFIX = r"'^[A-Za-z]{1,16}[0-9]{0,2}[_:|/#.-]+'"
_ALL_DIGITS_AFTER = "'[A-Za-z]{1,8}[0-9]+'"

# Columns that may identify a user: email, account_uid, ExternalId.
_LIKE_ID = re.compile(
    r"(^|[_\s-]|account|customer|external|internal|member|user)(id|uid|uuid|guid|ref|key|login|username|number|sub)$"
    r"|e[-_ ]?mail", re.IGNORECASE)


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        name: as JSON has it.
        words: how the ids differ, to end "they differ …" with.
        key: SQL over an id's column; null where the way means nothing for the id.
    """

    name: str
    words: str
    key: str

    def of(self, column: str) -> str:
        """The key of a column's ids, SQL."""
        return self.key.replace("{id}", column)


def stripped(column: str) -> str:
    """SQL of text without spaces and invisible characters at its ends.

    Example:
        >>> import duckdb
        >>> duckdb.sql(f"SELECT {stripped('x')} FROM (SELECT chr(160) || ' a b\t' AS x)").fetchall()
        [('a b',)]
    """
    # The regular expression is slow, and most ids begin and end with a visible ASCII character.
    visible = " AND ".join(f"ascii({end}) BETWEEN 33 AND 126" for end in (column, f"right({column}, 1)"))
    return f"CASE WHEN {visible} THEN {column} ELSE regexp_replace({column}, '^{_STRAY}+|{_STRAY}+$', '', 'g') END"


def number(column: str) -> str:
    """SQL of a whole number's digits without leading zeros and decimals; null: it is no number."""
    digits = rf"ltrim(regexp_replace({column}, '\.0*$', ''), '+0')"
    return f"CASE WHEN regexp_full_match({column}, {_NUMBER}) THEN coalesce(nullif({digits}, ''), '0') END"


def plain(column: str) -> str:
    """SQL of text whose case, Unicode form and stray spaces do not count."""
    return f"lower(nfc_normalize({stripped(column)}))"


def prefix(column: str) -> str:
    """SQL of an id's prefix; empty: it has none.

    Example:
        >>> import duckdb
        >>> duckdb.sql(f"SELECT {prefix('x')} FROM (VALUES ('usr_17'), ('U17'), ('a.b@c.d'), ('17')) t(x)").fetchall()
        [('usr_',), ('U',), ('',), ('',)]
    """
    return (f"CASE WHEN contains({column}, '@') THEN '' "
            f"WHEN regexp_full_match({column}, {_ALL_DIGITS_AFTER}) THEN regexp_extract({column}, '^[A-Za-z]+') "
            f"ELSE regexp_extract({column}, {_PREFIX}) END")


def like_id(column: str) -> bool:
    """Whether a column may identify a user by its name.

    Example:
        >>> [name for name in ("email", "account_id", "externalId", "paid", "plan", "E-Mail") if like_id(name)]
        ['email', 'account_id', 'externalId', 'E-Mail']
    """
    return _LIKE_ID.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)) is not None


SPACES = Way("spaces", "by spaces or invisible characters at the ends", stripped("{id}"))
UNICODE = Way("unicode", "by the Unicode form: a letter and its accent are one character, or two",
              "nfc_normalize({id})")
CASE = Way("case", "by upper and lower case", "lower({id})")
NUMBER = Way("number", "as numbers do: by leading zeros or decimals", number("{id}"))
SEVERAL = Way("several", "in several of these ways at once", f"coalesce({number(plain('{id}'))}, {plain('{id}')})")
PREFIX = Way("prefix", "by a prefix", plain("{id}"))
COLUMN = Way("column", "in kind: they are values of another column", plain("{id}"))

BY_KEY = (SPACES, UNICODE, CASE, NUMBER, SEVERAL)
"""Those that compare keys alone, in the order in which they are tried."""

WAYS = (*(way.name for way in BY_KEY), PREFIX.name, COLUMN.name)
"""The names of all ways, in the order in which they are tried."""
