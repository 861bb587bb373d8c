"""A CSV of Candu's export, or a plain list of ids: the ids as they are written, batch by batch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from candu_sync.errors import UsageError

# Names of the column of ids, without spaces, hyphens and underscores, in lower case; the first that is there is taken.
_NAMES = ("userid", "externalid", "externaluserid", "uid", "user", "id", "identifier")

_HEAD_BYTES = 65_536
_DELIMITERS = ",;\t|"


def id_column(columns: Sequence[str], *, of: str) -> str:
    """The column that holds ids: the only one, or the one that is named like it.

    Args:
        of: what has the columns, for the error.

    Raises:
        UsageError: it is not clear which one it is.

    Example:
        >>> id_column(["Email", "User ID"], of="seen.csv")
        'User ID'
    """
    if len(columns) == 1:
        return columns[0]
    by_name = {_bare(column): column for column in reversed(columns)}
    for name in _NAMES:
        if name in by_name:
            return by_name[name]
    raise UsageError(f"{of}: which column holds the ids? Name it user_id. It has: {', '.join(columns)}")


def read_csv(path: Path) -> Iterator[pa.Array]:
    """The ids in a CSV file, as text: ``0017`` stays as it is. A file of one column may do without a heading.

    Returns:
        String arrays; memory is bounded by a block of the file.

    Raises:
        UsageError: the file cannot be read, is not UTF-8, or it is not clear which column holds the ids.
    """
    # Loading it takes as long as a small check.
    import pyarrow.csv as pacsv

    try:
        heading, delimiter, more = _heading(path)
        name = id_column(heading, of=str(path))
        bare = len(heading) == 1 and _bare(name) not in _NAMES
        if not (bare or more):
            return
        # Written twice in a heading, a name would be refused; so columns are named by their number.
        names = [str(number) for number in range(len(heading))]
        wanted = names[heading.index(name)]
        with pacsv.open_csv(
                path, pacsv.ReadOptions(column_names=names, skip_rows=0 if bare else 1),
                pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                pacsv.ConvertOptions(include_columns=[wanted], column_types={wanted: pa.string()},
                                     strings_can_be_null=False)) as reader:
            for batch in reader:
                yield batch.column(0)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error, pa.ArrowInvalid):
        # What pyarrow says of it shows the line, which is of a person.
        raise UsageError(f"{path} is no CSV file in UTF-8 with the same columns in each line") from None


def _heading(path: Path) -> tuple[list[str], str, bool]:
    """The cells of the first line, the character between them, and whether there are other lines."""
    with path.open("rb") as file:
        first, _, others = file.read(_HEAD_BYTES).partition(b"\n")
    line = first.decode("utf-8-sig").rstrip("\r")
    if not line.strip():
        raise UsageError(f"{path} has no ids: its first line is empty")
    delimiter = max(_DELIMITERS, key=line.count)
    return next(csv.reader([line], delimiter=delimiter)), delimiter, bool(others.strip())


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
