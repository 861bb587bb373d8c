"""A file that cannot be read, or must not be, is one clear error; it never stops the others or waits without end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from candu_sync.syncs.files import MOST_BYTES
from candu_sync.syncs.sync import load_syncs

ALIASES = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))])


def write(path: Path, content: str | bytes = "select 1 as user_id") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def settings(content: str | bytes) -> Callable[[Path], object]:
    """A model with these settings next to it."""
    def make(users: Path) -> None:
        write(users / "bad.sql")
        write(users / "bad.yaml", content)
    return make


def a_link_to_itself(users: Path) -> None:
    (users / "bad.sql").symlink_to(users / "bad.sql")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "aliases that grow": (settings(ALIASES), "holds more than 100,000 values, aliases (*name) counted at each use"),
    "deep lists": (settings("key: " + "[" * 20_000 + "]" * 20_000), "more than 20 deep"),
    "deep mappings": (settings("key: " + "{a: " * 300 + "}" * 300), "more than 20 deep"),
    "deep blocks": (settings("\n".join(" " * n + f"k{n}:" for n in range(700))), "more than 20 deep"),
    "aliases that deepen": (settings("\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 900))])),
                            "more than 20 deep"),
    "a huge YAML": (settings("#" * 300_001), "is larger than 300,000 bytes"),
    "many problems": (settings("".join(f"k{n}: 1\n" for n in range(9000))), "and 8,980 more problems"),
    "UTF-16": (settings("payload: full".encode("utf-16")), "1: not UTF-8"),
    "UTF-16 without its mark": (settings("payload: full".encode("utf-16-le")), "1: holds a NUL character; if the file"),
    "Latin-1": (settings("payload: full\ndescription: café".encode("latin-1")), "2: not UTF-8"),
    "a YAML pipe": (lambda users: (write(users / "bad.sql"), os.mkfifo(users / "bad.yaml")), "is not a file, but a "),
    "a huge model": (lambda users: write(users / "bad.sql", "select 1 " + " " * 10**6), "is larger than 1,000,000"),
    "a model in UTF-16": (lambda users: write(users / "bad.sql", "select 1".encode("utf-16-le")), "holds a NUL"),
    "a folder named as a model": (lambda users: write(users / "bad.sql" / "a.sql"), "is a folder; .sql is for files"),
    "a model pipe": (lambda users: os.mkfifo(users / "bad.sql"), "is not a file, but a folder, a pipe or a device"),
    "a device": (lambda users: (users / "bad.sql").symlink_to("/dev/zero"), "is not a file, but a "),
    "a link to itself": (a_link_to_itself, "cannot be read: Too many levels of symbolic links"),
    "a folder within itself": (lambda users: (users / "bad").symlink_to(users), "is a link to a folder above it"),
}


@pytest.mark.parametrize("case", BAD)
def test_it_is_one_error_of_its_sync_and_the_others_load(tmp_path: Path, case: str) -> None:
    make, says = BAD[case]
    write(tmp_path / "users" / "good.sql")
    make(tmp_path / "users")
    began = time.process_time()
    catalog = load_syncs(tmp_path)
    assert time.process_time() - began < 5
    (error,) = catalog.errors
    assert says in str(error)
    assert error.sync == "users/bad"
    assert len(str(error)) < 6000
    assert list(catalog.syncs) == ["users/good"]


def test_a_linked_folder_is_one_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "plan.sql")
    (tmp_path / "sql" / "users").mkdir(parents=True)
    for name in ("eu", "us"):
        (tmp_path / "sql" / "users" / name).symlink_to(tmp_path / "elsewhere")
    catalog = load_syncs(tmp_path / "sql")
    assert (list(catalog.syncs), catalog.errors) == (["users/eu/plan", "users/us/plan"], ())


def test_thousands_of_static_partitions_are_read_at_once(tmp_path: Path) -> None:
    keys = [f"segment-{n}" for n in range(15_000)]
    write(tmp_path / "users" / "plan.sql")
    yaml = write(tmp_path / "users" / "plan.yaml", f"partitions: {{static: [{', '.join(keys)}]}}")
    assert yaml.stat().st_size < MOST_BYTES[".yaml"]
    began = time.process_time()
    catalog = load_syncs(tmp_path)
    assert catalog.errors == ()
    assert catalog.syncs["users/plan"].partitions is not None
    assert catalog.syncs["users/plan"].partitions.static == tuple(keys)
    assert time.process_time() - began < 2
