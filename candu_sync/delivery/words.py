"""The text of a refusal: the body of an answer as one line, of bounded length, without the values that were sent.

From JSON, the texts and numbers are kept, each with its path of names; flags and nulls are not. From HTML, the tags are
left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import orjson

from candu_sync.delivery.masking import Masking, plain
from candu_sync.naming import shortened

# Bytes that are kept, and characters in an error.
LONGEST = 2_000
IN_AN_ERROR = 300

# Characters that are looked at: masking makes a text shorter.
_READ = 8_000

# Objects in objects.
_DEEPEST = 8

_NOT_SHOWN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


class Words:
    """Reads the answers to one request.

    Args:
        sent: the messages of the request, a JSON array; None: it has none.
        secrets: the key, in each form in which it was sent.

    Example:
        >>> words = Words(b'[{"type": "identify", "userId": "u1", "traits": {"plan": "gold"}}]', ("key",))
        >>> words.of(b'{"success": false, "errors": [{"field": "plan", "message": "gold is no plan"}]}')
        'errors.field: plan; errors.message: […] is no plan'
        >>> words.of(b'<html><title>Sign in</title></html>')
        'Sign in'
    """

    def __init__(self, sent: bytes | None, secrets: Iterable[str] = ()) -> None:
        self._sent = sent
        self._secrets = tuple(secrets)

    @cached_property
    def _masking(self) -> Masking:
        return Masking(orjson.loads(self._sent) if self._sent else (), self._secrets)

    def of(self, body: bytes | None) -> str:
        """The words of an answer, at most ``LONGEST`` bytes; empty: it says nothing, or nothing that can be kept."""
        if not body:
            return ""
        text = _text(body)
        if len(text) > _READ:
            # What is cut off may be a part of a value: the whole word is removed.
            text = text[:_READ].rpartition(" ")[0]
        masked = self._masking.masked(text)
        kept = masked.encode()[:LONGEST].decode(errors="ignore")
        return kept if self._masking.is_clean(kept) else ""


def with_words(sentence: str, words: str, *, most: int = IN_AN_ERROR) -> str:
    """A sentence with what the destination said.

    Args:
        most: characters of the words.

    Example:
        >>> with_words("Candu refused it (HTTP 422)", "plan: unknown"), with_words("Candu refused it (HTTP 422)", "")
        ('Candu refused it (HTTP 422) and said "plan: unknown"', 'Candu refused it (HTTP 422)')
    """
    if not words:
        return sentence
    return f'{sentence} and said "{shortened(words, most)}"'


def _text(body: bytes) -> str:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body[:4 * _READ].decode(errors="replace")
        return plain(_NOT_SHOWN.sub(" ", text) if "<" in text else text)
    leaves, length = [], 0
    for leaf in _leaves(parsed, (), _DEEPEST):
        leaves.append(leaf)
        length += len(leaf[1])
        if length > _READ:
            break
    if len(leaves) == 1:
        return leaves[0][1]
    return "; ".join(f"{path}: {text}" if path else text for path, text in leaves)


def _leaves(value: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, str]]:
    """The texts and numbers of an answer, with the names that lead to each."""
    if isinstance(value, dict) and depth:
        for name, member in value.items():
            yield from _leaves(member, (*path, plain(name)), depth - 1)
    elif isinstance(value, list) and depth:
        for member in value:
            yield from _leaves(member, path, depth - 1)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and (text := plain(str(value))):
        yield ".".join(path), text
