"""A CSV with the ids that Candu sees: the column, the form, and ids as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.seen_ids import id_column, read_csv
from tests.support.lab import error_of


def ids_in(path: Path) -> list[str]:
    return [text for array in read_csv(path) for text in array.to_pylist()]


@pytest.mark.parametrize(("content", "ids"), [
    ("user_id\n0017\n17.0\n1e3\n\"a,b\"\n", ["0017", "17.0", "1e3", "a,b"]),
    ("\ufeffUser ID;Email\r\n u1 ;x@y.z\r\nNULL;\r\n", [" u1 ", "NULL"]),
    ("id\tname\tuserId\n1\tAda\tu1\n", ["u1"]),
    ("u1\nu2\n", ["u1", "u2"]),  # a plain list
    ("name,id,name\nx,u1,y\n", ["u1"]),
    ('id,note\nu1,"two\nlines"\nu2,\n', ["u1", "u2"]),
    ("user_id", []),
])
def test_ids_are_read_as_they_are_written(tmp_path: Path, content: str, ids: list[str]) -> None:
    (path := tmp_path / "seen.csv").write_bytes(content.encode())
    assert ids_in(path) == ids


def test_more_than_one_block(tmp_path: Path) -> None:
    ids = [f"{n:07}" for n in range(200_000)]
    (path := tmp_path / "seen.csv").write_text("\n".join(["user_id", *ids]))
    assert ids_in(path) == ids


@pytest.mark.parametrize(("content", "says"), [
    (b"name,plan\nx,y\n", "which column holds the ids? Name it user_id. It has: name, plan"),
    (b"", "its first line is empty"),
    ("user_id\nu1\n".encode("utf-16"), "no CSV file in UTF-8"),
    (b"user_id,x\nada@x.io\n", "no CSV file in UTF-8 with the same columns in each line"),
    (b"user_id\nu\xff1\n", "no CSV file in UTF-8"),
])
def test_a_file_that_is_none_is_named_without_its_values(tmp_path: Path, content: bytes, says: str) -> None:
    (path := tmp_path / "seen.csv").write_bytes(content)
    error = error_of(ids_in, path)
    assert says in error
    assert str(path) in error
    assert "ada" not in error
    assert "cannot be read" in error_of(ids_in, tmp_path / "missing.csv")


def test_the_column_of_ids() -> None:
    assert id_column(["anything"], of="x") == "anything"
    assert id_column(["ID", "externalId", "USER_ID"], of="x") == "USER_ID"
