"""Settings in the text of a ``.env`` file. All other bytes of it stay as they are.

The text is taken apart as python-dotenv does it, by which the settings are read: a value may be in quotes and have
several lines, a name may follow ``export``, the last of several lines of a name counts.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from candu_sync.errors import SettingsError

PATH = Path(".env")

# python-dotenv takes it away where a file begins with it.
_BOM = "\ufeff"

_ASSIGNED = re.compile(r"""(?P<head>\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*)
                           (?P<equals>=[^\S\r\n]*)?
                           (?P<value>'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|(?:(?![^\S\r\n]+\#|[^\S\r\n]*[\r\n]|[^\S\r\n]*\Z).)*)
                           (?P<rest>.*)""", re.VERBOSE | re.DOTALL)


@dataclass(frozen=True)
class Change:
    """A line of the file.

    Attributes:
        name: of the setting.
        line: without its end.
        was: the line before; empty: there was none.
    """

    name: str
    line: str
    was: str = ""


def changes(text: str, wanted: Mapping[str, str]) -> list[Change]:
    """What has to be set in a file so that it has the values.

    Args:
        wanted: values by name; letters, digits and ``_``.

    Example:
        >>> changes("CANDU_RATE=5\\n", {"CANDU_RATE": "5", "CANDU_NULLS": "omit"})
        [Change(name='CANDU_NULLS', line='CANDU_NULLS=omit', was='')]
    """
    found = _bindings(text)
    lines = {name: found[name].original.string if name in found else "" for name in wanted}
    return [Change(name, _with_value(lines[name] or f"{name}=", value).strip(), lines[name].strip())
            for name, value in wanted.items() if name not in found or (found[name].value or "").strip() != value]


def edited(text: str, wanted: Mapping[str, str], comment: str) -> str:
    """The text with the values.

    Args:
        comment: of the lines that are new.

    Example:
        >>> print(edited("CANDU_RATE=5  # ask first\\n", {"CANDU_RATE": "9", "CANDU_NULLS": "omit"}, "new"), end="")
        CANDU_RATE=9  # ask first
        # new
        CANDU_NULLS=omit
    """
    if text.startswith(_BOM):
        return _BOM + edited(text.removeprefix(_BOM), wanted, comment)
    last = _bindings(text)
    todo = {change.name: change for change in changes(text, wanted)}
    parts = []
    for binding in parse_stream(io.StringIO(text, newline="")):
        name = (binding.key or "").upper()
        replaced = name in todo and last.get(name) == binding
        parts.append(_with_value(binding.original.string, wanted[name]) if replaced else binding.original.string)
    added = [change.line for name, change in todo.items() if name not in last]
    return _appended("".join(parts), [f"# {comment}", *added] if added else [])


def read_env(path: Path = PATH) -> str | None:
    """The text of the file; None: it is no file that can be written (a pipe of a password manager, a folder).

    Raises:
        SettingsError: it cannot be read.
    """
    if not path.exists():
        return ""
    if not path.is_file():
        return None
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8; save it in that encoding") from None
    except OSError as error:
        raise SettingsError(f".env cannot be read: {error.strerror}") from None


def write_env(text: str, path: Path = PATH) -> None:
    """Replace the file in one step; its rights stay. A new one is readable by its owner only.

    Raises:
        SettingsError: it cannot be written.
    """
    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        descriptor, name = tempfile.mkstemp(prefix=".env.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise SettingsError(f".env cannot be written: {error.strerror}") from None


def _bindings(text: str) -> dict[str, Binding]:
    """The line that counts of each name, in capitals."""
    return {binding.key.upper(): binding for binding in parse_stream(io.StringIO(text, newline="")) if binding.key}


def _with_value(line: str, value: str) -> str:
    found = _ASSIGNED.fullmatch(line)
    assert found is not None  # python-dotenv found a name in it
    # What a person has written as a comment is one (early versions of python-dotenv take it for the value).
    comment = f"  {found['value']}" if found["value"].startswith("#") else ""
    return f"{found['head']}{found['equals'] or '='}{value}{comment}{found['rest']}"


def _appended(text: str, lines: list[str]) -> str:
    if not lines:
        return text
    end = "\r\n" if "\r\n" in text else "\n"
    before = text if not text or text.endswith(("\n", "\r")) else text + end
    return before + "".join(line + end for line in lines)
