"""The files under ``sql/``: which there are, and their text. A file that cannot be read is one error. The other files
are read.

A model is a file that a person writes. So the sizes are bounded, and a pipe or a device is refused: reading one could
wait without end. A folder may be a link; one that leads back to a folder above it is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from candu_sync.errors import SpecError

__all__ = ["MODEL", "MOST_BYTES", "SETTINGS", "find_files", "read_text"]

MODEL = (".sql",)
"""The suffix of a model, in lower case."""

SETTINGS = (".yaml", ".yml")
"""The suffixes of a model's settings, in lower case."""

MOST_BYTES = {**dict.fromkeys(MODEL, 1_000_000), **dict.fromkeys(SETTINGS, 300_000)}
"""Suffix → the most bytes of a file. BigQuery and Snowflake take queries of 1 MB; other warehouses take more."""


def find_files(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[Path, str | None]]:
    """The models and settings below a folder, each with None; and what can be neither, with a sentence on it.

    Files and folders whose name starts with ``.`` or ``_`` are ignored.

    Args:
        above: device and inode of the folders above this one.
    """
    try:
        about = folder.stat()
        names = sorted(name for name in os.listdir(folder) if not name.startswith((".", "_")))
    except OSError as error:
        yield folder, f"cannot be read: {error.strerror}"
        return
    here = about.st_dev, about.st_ino
    if here in above:
        yield folder, "is a link to a folder above it; remove the link"
        return
    for name in names:
        path = folder / name
        ours = path.suffix.lower() in MOST_BYTES
        if path.is_dir() and ours:
            yield path, f"is a folder; {path.suffix} is for files: rename it"
        elif path.is_dir():
            yield from find_files(path, (*above, here))
        elif ours:
            yield path, None


def read_text(path: Path, sync: str) -> str:
    """The text of a model or of its settings, without a byte order mark.

    Raises:
        SpecError: it cannot be read, is too large, or is not UTF-8.
    """
    data = _read_bytes(path, sync)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SpecError(str(path), "not UTF-8; save it in that encoding", line=line, sync=sync) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise SpecError(str(path), "holds a NUL character; if the file is UTF-16, save it as UTF-8", line=line,
                        sync=sync)
    return text


def _read_bytes(path: Path, sync: str) -> bytes:
    most = MOST_BYTES.get(path.suffix.lower(), min(MOST_BYTES.values()))
    try:
        # Without O_NONBLOCK, a pipe that nobody writes to would wait here without end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise SpecError(str(path), "is not a file, but a folder, a pipe or a device", sync=sync)
            data = file.read(most + 1)
    except OSError as error:
        raise SpecError(str(path), f"cannot be read: {error.strerror}", sync=sync) from None
    if len(data) > most:
        raise SpecError(str(path), f"is larger than {most:,} bytes; is it the right file?", sync=sync)
    return data
