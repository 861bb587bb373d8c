"""A model's rows of one shard: the warehouse computes a hash of a column, and gives the rows whose hash is the shard's.

The hash is MD5 of the column's text in UTF-8, null as an empty text: nearly every warehouse has it, and it is the same
in all of them. The first seven of its hexadecimal digits, as a number, modulo the number of shards are the shard's
number. So the rows of a snapshot can be moved to other shards without the warehouse.

| dialect             | how seven hexadecimal digits become a number                              |
|---------------------|---------------------------------------------------------------------------|
| postgresql          | a bit string                                                              |
| duckdb              | ``0x…`` as text is a number                                               |
| snowflake           | ``to_number`` with a format of X                                          |
| bigquery            | ``0x…`` as text is a number                                               |
| databricks, mysql   | ``conv``                                                                  |
| redshift            | ``strtol``                                                                |
| clickhouse          | the bytes in reverse, as an integer; the last of the eight digits is cut  |
| trino               | ``from_base``                                                             |

SQLite has no such function; for others it was not written.
"""

from __future__ import annotations

from candu_sync.errors import ModelError

_MYSQL = "mod(cast(conv(substring(md5(convert(coalesce({0}, '') using utf8mb4)), 1, 7), 16, 10) as unsigned), {1})"
_DATABRICKS = "mod(cast(conv(substring(md5(coalesce(cast({0} as string), '')), 1, 7), 16, 10) as bigint), {1})"

_NUMBER: dict[str, str] = {
    "postgresql": "mod(cast(cast('x' || substr(md5(coalesce(cast({0} as text), '')), 1, 7) as bit(28)) as integer), "
                  "{1})",
    "duckdb": "mod(cast('0x' || substr(md5(coalesce(cast({0} as varchar), '')), 1, 7) as bigint), {1})",
    "snowflake": "mod(to_number(substr(md5(coalesce(cast({0} as varchar), '')), 1, 7), 'XXXXXXX'), {1})",
    "bigquery": "mod(cast(concat('0x', substr(to_hex(md5(coalesce(cast({0} as string), ''))), 1, 7)) as int64), {1})",
    "databricks": _DATABRICKS,
    "redshift": "mod(strtol(substring(md5(coalesce(cast({0} as varchar), '')), 1, 7), 16), {1})",
    "clickhousedb": "modulo(bitShiftRight(reinterpretAsUInt32(reverse(substring(MD5(coalesce(toString({0}), '')), 1, "
                    "4))), 4), {1})",
    "trino": "mod(from_base(substr(to_hex(md5(to_utf8(coalesce(cast({0} as varchar), '')))), 1, 7), 16), {1})",
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
"""Dialect → SQL of the number of a row's shard: of a column's name, and the number of shards."""


def shard_number(dialect: str, column: str, count: int) -> str:
    """SQL of the number of the shard that a row is in.

    Raises:
        ModelError: the dialect has no such hash.

    Example:
        >>> shard_number("duckdb", "user_id", 16)
        "mod(cast('0x' || substr(md5(coalesce(cast(user_id as varchar), '')), 1, 7) as bigint), 16)"
    """
    form = _NUMBER.get(dialect)
    if form is None:
        raise ModelError(f"partitions.shards: {dialect} has no hash that divides the rows into shards. Take `static` "
                         "or `dynamic` partitions, whose keys the model compares with :partition")
    return form.format(column, count)


def sharded(sql: str, dialect: str, column: str, number: int, count: int) -> str:
    """A query that gives the rows of another one which are in a shard.

    Args:
        sql: one SELECT, without a semicolon at its end.
        column: of its result.
    """
    # A comment in the last line must not hide the bracket.
    return f"select * from (\n{sql}\n) candu_model where {shard_number(dialect, column, count)} = {number}"
