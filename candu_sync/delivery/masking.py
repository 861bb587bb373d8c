"""A text without the values that were sent: they are personal data, and an answer may repeat them in any form.

Masked is

- a value, anywhere, with the rest of the word that it is a part of; a value of one or two characters where it
  is a whole word;
- a word of the text that is anywhere in a value, since a server may repeat a value in part. Words that answers of
  APIs are made of, the names of traits, and fewer than four digits of a longer number stay;
- a number that equals one that was sent, in any notation.

Not masked is what a message has of its own: its type, and its messageId, which is a hash.

Texts are compared without case, accents and the escapes of JSON, HTML and URLs.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote

MASK = "[…]"

# A shorter value is masked where it is a whole word: a 1 must not mask every number that has one in it.
_SHORT = 3

# Digits that a server may repeat of a longer number: the last four of a card.
_PART = 4

# Members of a message that say nothing of a person.
_OWN = ("type", "messageId")

# Rounds of escapes: JSON in JSON in a URL.
_ROUNDS = 5

_WORD = re.compile(r"[0-9]+(?:[.,][0-9]+)+(?:[eE][+-]?[0-9]+)?|\w+")
_DIGITS = re.compile(r"[0-9]+")
_MASKS = re.compile(r"\[…\](?:[^\w\[\]]*\[…\])+")
_ESCAPE = re.compile(r'\\(?:u\{?([0-9a-fA-F]{4,6})\}?|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|(["\'\\/bfnrt]))')
_SPACES = frozenset("bfnrt")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

# Words that answers of APIs are made of: they say nothing of a value that has one of them in it.
_USUAL = frozenset(re.findall(r"\w+", """
    a accept accepted access account actual additional after again all allowed already an and another any api are array
    as at attribute attributes authorization bad batch be because been before between blank body boolean both but by
    bytes call can cannot candu character characters check code column conflict contact contain contained contains
    content could data date denied detail details did different do does duplicate each either email empty endpoint
    entity error errors event events exceed exceeded exceeds exist exists expected failed failure field fields for
    forbidden format found from get given greater group groups had has have header http https id identify if in index
    internal invalid is issue it item items its json key keys known large least length less limit long longer malformed
    many match matching max maximum may message messages method min minimum missing more most must name names no none
    nor not null number numbers object of on one only or our out over page parameter parse parsing payload permitted
    please post present properties property provided rate reached reason received record refused rejected request
    requests required reserved resource response result retry row rows schema send sent server service should shorter
    size some status string strings success successful support supported temporarily text than that the their them
    there they this time timeout timestamp to too track trait traits try type types unable unauthorized unavailable
    unexpected unique unknown unprocessable unsupported update url use used user userid users valid validation value
    values was webhook were what when where which while who will with within without workspace wrong you your
    """))


def plain(text: str) -> str:
    """One line of text without escapes and control characters.

    Example:
        >>> plain(r'caf\\u00e9 &amp;\\nbar')
        'café & bar'
    """
    for _ in range(_ROUNDS):
        before, text = text, _unescaped(text)
        if text == before:
            break
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = " ".join(text.split())
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")


def _unescaped(text: str) -> str:
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
        # Two \\u escapes may be the halves of one character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    return unquote(text, errors="replace") if "%" in text else text


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code is None:
        return " " if escape[4] in _SPACES else escape[4]
    return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else " "


def _folded(text: str) -> tuple[str, list[int] | range]:
    """A text as it is compared, and the place in ``text`` of each of its characters."""
    if text.isascii():
        return text.lower(), range(len(text))
    parts, places = [], []
    for place, character in enumerate(text):
        part = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)).casefold()
        parts.append(part)
        places += [place] * len(part)
    return "".join(parts), places


def _fold(text: str) -> str:
    return _folded(text)[0]


class Masking:
    """What a text must not contain.

    Args:
        sent: the messages of a request, parsed.
        secrets: texts that must not be repeated either.

    Example:
        >>> masking = Masking([{"type": "identify", "userId": "u1", "traits": {"plan": "gold", "seats": 5}}])
        >>> masking.masked("traits.plan: Gold is not one of free, pro (5 seats, user U1)")
        'traits.plan: […] is not one of free, pro ([…] seats, user […])'
    """

    def __init__(self, sent: Iterable[Any], secrets: Iterable[str] = ()) -> None:
        self._values: set[str] = set(filter(None, secrets))
        self._numbers: set[float] = set()
        self._message_ids: set[str] = set()
        names: set[str] = set()
        for message in sent:
            self._take(message, names, top=True)
        self._names = {word for name in names for word in _WORD.findall(_fold(plain(name)))}

    def _take(self, value: Any, names: set[str], *, top: bool = False) -> None:
        if isinstance(value, Mapping):
            for name, member in value.items():
                names.add(name)
                if not (top and name in _OWN):
                    self._take(member, names)
                elif name == "messageId" and isinstance(member, str):
                    self._message_ids.add(member.lower())
        elif isinstance(value, list):
            for member in value:
                self._take(member, names)
        elif isinstance(value, bool):
            self._values.add(str(value).lower())
        elif isinstance(value, int | float):
            self._numbers.add(abs(float(value)))
            self._values.update(_forms(value))
        elif isinstance(value, str):
            self._values.add(value)

    @cached_property
    def _needles(self) -> list[str]:
        """The values as they are looked for."""
        found = {_fold(form) for value in self._values for form in (plain(value), " ".join(value.split()))}
        return sorted(found - {""}, key=len, reverse=True)

    @cached_property
    def _folded_texts(self) -> _Texts:
        return _Texts(self._needles)

    @cached_property
    def _plain_texts(self) -> _Texts:
        return _Texts(self._values)

    @cached_property
    def _all(self) -> str:
        return "\n".join(self._needles)

    @cached_property
    def _words(self) -> set[str]:
        return {*_WORD.findall(self._all), *_DIGITS.findall(self._all)}

    def masked(self, text: str) -> str:
        """A line of text without the values. Empty when nothing is left to read, or when a value is still in it.

        Args:
            text: as ``plain`` gives it.
        """
        result = "".join(part if own else self._without_values(part) for part, own in self._cut(text))
        return result if _WORD.search(result.replace(MASK, "")) and self.is_clean(result) else ""

    def is_clean(self, text: str) -> bool:
        """Whether no value of three characters or more is in a text."""
        return all(own or not (any(self._folded_texts.places(_fold(part))) or any(self._plain_texts.places(part)))
                   for part, own in self._cut(text))

    def _cut(self, text: str) -> Iterator[tuple[str, bool]]:
        """A text in parts, each with whether it is the messageId of a message that was sent."""
        done = 0
        for match in _UUID.finditer(text) if self._message_ids else ():
            if match[0].lower() in self._message_ids:
                yield text[done:match.start()], False
                yield match[0], True
                done = match.end()
        yield text[done:], False

    def _without_values(self, text: str) -> str:
        folded, places = _folded(text)
        found = (_whole_words(folded, *span) for span in self._folded_texts.places(folded))
        spans = [*found, *self._repeated(folded)]
        return _replaced(text, [(places[start], places[end - 1] + 1) for start, end in spans])

    def _repeated(self, folded: str) -> Iterator[tuple[int, int]]:
        """The places of words that are in a value."""
        known: dict[str, bool] = {}
        for match in _WORD.finditer(folded):
            word = match[0]
            if word not in known:
                known[word] = self._is_of_a_value(word)
            if known[word]:
                yield match.span()

    def _is_of_a_value(self, word: str) -> bool:
        if word in self._needles_short or self._equals_a_number(word):
            return True
        if any(character.isdigit() for character in word):
            return word in self._words or (len(word) >= _PART and word in self._all)
        if word in _USUAL or word in self._names:
            return False
        return word in (self._words if len(word) < _SHORT else self._all)

    @cached_property
    def _needles_short(self) -> set[str]:
        return {needle for needle in self._needles if len(needle) < _SHORT}

    def _equals_a_number(self, word: str) -> bool:
        try:
            return abs(float(word.replace(",", ""))) in self._numbers
        except ValueError:
            return False


class _Texts:
    """Texts of three characters or more that are looked for in others: a request has up to 1,000 messages, and its
    answer words for each of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text for text in texts if len(text) >= _SHORT}
        self._lengths = sorted({len(text) for text in self._texts})

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where one of them is in ``text``."""
        if len(text) * len(self._lengths) < len(self._texts):
            for length in self._lengths:
                for start in range(len(text) - length + 1):
                    if text[start:start + length] in self._texts:
                        yield start, start + length
            return
        for sought in self._texts:
            start = text.find(sought)
            while start >= 0:
                yield start, start + len(sought)
                start = text.find(sought, start + len(sought))


def _forms(number: int | float) -> Iterator[str]:
    """How a number may be written."""
    yield repr(number)
    yield f"{number:,}"
    if isinstance(number, float) and number.is_integer():
        yield str(int(number))


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and _in_word(text[start - 1]) and _in_word(text[start]):
        start -= 1
    while end < len(text) and _in_word(text[end]) and _in_word(text[end - 1]):
        end += 1
    return start, end


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    """A text with a mask in the place of each span; adjacent masks are one."""
    parts, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [text[done:start], MASK]
        done = max(done, end)
    return _MASKS.sub(MASK, "".join(parts) + text[done:])
