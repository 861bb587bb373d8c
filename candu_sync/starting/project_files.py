"""The files of a new project, from the templates in ``files/``.

``files/base`` is for every project. ``files/dagster`` and ``files/dbt`` add to it: a file that is in both is the base's
text with the other after it. A name that starts with ``dot_`` is written with a dot, one of Python's files without its
``.txt``: as a template it is no module of this package.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from candu_sync.errors import UsageError

_TEMPLATES = Path(__file__).parent / "files"

# Only its owner reads it: it holds the API key.
_SECRET = ".env"


@dataclass(frozen=True)
class ProjectFiles:
    """What ``write_project`` did.

    Attributes:
        written, kept: paths below the folder, sorted. A file that was there is kept as it is.
    """

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def write_project(folder: Path, *, dagster: bool = False, dbt: bool = False) -> ProjectFiles:
    """Write a project into a folder, which is made where it is missing. No file is overwritten.

    Raises:
        UsageError: the folder cannot be written to.

    Example:
        >>> done = write_project(Path("shop"), dagster=True)
        >>> [str(path) for path in done.written if path.suffix == ".sql"]
        ['sql/users/example.sql']
        >>> write_project(Path("shop"), dagster=True).written
        ()
    """
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "syncs"
    parts = ["base", *(["dagster"] if dagster else []), *(["dbt"] if dbt else [])]
    texts = {path: text.replace("PROJECT", name).replace("EXTRAS", "[dagster]" if dagster else "")
             for path, text in _texts(parts).items()}
    try:
        written = [path for path, text in texts.items() if _write(folder / path, text)]
    except OSError as error:
        raise UsageError(f"the project cannot be written: {error.filename or folder}: {error.strerror}") from None
    return ProjectFiles(tuple(sorted(written)), tuple(sorted(texts.keys() - set(written))))


def dagster_configuration() -> str:
    """The text of the ``dagster.yaml`` that new projects begin with."""
    return (_TEMPLATES / "dagster" / "dot_dagster_home" / "dagster.yaml").read_text("utf-8")


def _texts(parts: list[str]) -> dict[Path, str]:
    texts: dict[Path, str] = {}
    for part in parts:
        for source in sorted((_TEMPLATES / part).rglob("*")):
            if source.is_file():
                words = source.relative_to(_TEMPLATES / part).parts
                path = Path(*(re.sub("^dot_", ".", word).removesuffix(".txt") for word in words))
                texts[path] = texts.get(path, "") + source.read_text("utf-8")
    return texts


def _write(path: Path, text: str) -> bool:
    """Whether the file was written; False: there was one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o600 if path.name == _SECRET else 0o666
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True
