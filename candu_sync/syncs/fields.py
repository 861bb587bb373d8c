"""The small notations of a sync's YAML, each read strictly: durations, cron lines, zones, starts of partitions, owners.

Every function takes the text as written and raises ValueError with a sentence that says what is allowed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import available_timezones

from candu_sync.suggestions import nearest

__all__ = ["cron", "cron_fields", "duration", "owner", "refresh", "start_date", "start_time", "zone"]

_WORDS = re.compile(r"(\d{1,9})\s*(minute|hour|day|week)s?", re.IGNORECASE)
_ISO_8601 = re.compile(r"P(?=.)(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
                       r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12),
                ("day of the week", 0, 7))
_CRON_NAMES = {name: number for number, name in (*enumerate(_MONTHS, 1), *enumerate(_DAYS))}
_CRON_ITEM = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,2}))?")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# Entries of the database that are no place: the default of a new machine, its own zone, a template.
_NO_ZONES = {"Factory", "localtime", "posixrules"}

# Dagster takes these owners and no others (dagster._core.utils.is_valid_email); it refuses to load a whole code
# location for one that it does not take.
_EMAIL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._%+-]*[A-Za-z0-9_%+-])?@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def duration(text: object) -> timedelta:
    """``1 day``, ``36 hours``, ``90 minutes``, ``2 weeks``, or ISO 8601 (``P1D``, ``PT36H``)."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, str):
        words, iso = _WORDS.fullmatch(text.strip()), _ISO_8601.fullmatch(text.strip())
        parts = {f"{words[2].lower()}s": words[1]} if words else iso.groupdict(default="0") if iso else {}
        with suppress(OverflowError):
            if parts:
                return timedelta(**{unit: int(count) for unit, count in parts.items()})
    raise ValueError(f"{text!r} is not a duration; write it like 1 day, 36 hours, 90 minutes or P1DT12H")


def refresh(text: object) -> timedelta:
    """A duration of one day or more."""
    if (found := duration(text)) < timedelta(days=1):
        raise ValueError(f"{text!r} is less than 1 day: that would send all rows again with nearly each run")
    return found


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES


def zone(name: str) -> str:
    """The name of a time zone in the IANA database, such as ``Europe/Paris``."""
    if name == "UTC" or name in _zones():
        return name
    match = nearest(name, _zones())
    raise ValueError(f"{name!r} is not an IANA time zone such as UTC or Europe/Paris"
                     + (f"; did you mean {match}?" if match else ""))


def start_date(text: object) -> datetime:
    """``2026-01-01`` → its midnight in UTC."""
    if isinstance(text, datetime):
        return text
    if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return _start(text, text)
    raise ValueError(f"{text!r} is not the date of the first partition, like 2026-01-01")


def start_time(text: object) -> datetime:
    """``2026-01-01``, ``2026-01-01T13:00``, or with a zone ``2026-01-01T13:00+02:00`` → the instant in UTC.

    A time without a zone is in UTC. A partition's key (``2026-01-01-13:00``) is read too.
    """
    if isinstance(text, datetime):
        return text
    if isinstance(text, str):
        parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[T -](\d\d:\d\d(?::\d\d)?)\s?(Z|[+-]\d\d:\d\d)?)?", text)
        if parts:
            return _start(text, f"{parts[1]}T{parts[2] or '00:00'}{parts[3] or ''}")
    raise ValueError(f"{text!r} is not the first partition's date or hour, like 2026-01-01 or 2026-01-01T13:00")


def _start(text: str, iso: str) -> datetime:
    """Years must be 1970 to 2999, so that a typing error does not ask for a million partitions."""
    try:
        start = datetime.fromisoformat(iso)
        start = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text} is not in the calendar: {error}") from None
    if not 1970 <= start.year <= 2999:
        raise ValueError(f"{text} is not between 1970 and 2999")
    return start


def owner(text: str) -> str:
    """An e-mail address, or ``team:name``."""
    if _EMAIL.fullmatch(text) or re.fullmatch(r"team:\S.*", text):
        return text
    raise ValueError(f"{text!r} is neither an e-mail address nor a team like team:growth")


def cron(line: str) -> str:
    """A cron line of five fields (minute, hour, day of the month, month, day of the week; Sunday is 0 or 7).

    Lists, ranges, steps and the English three-letter names are read; a line that matches no date is refused.
    """
    days, months = cron_fields(line)[2:4]
    if not any(day <= _LONGEST[month - 1] for day in days or (1,) for month in months or (1,)):
        raise ValueError(f"{line!r} never comes true: no such day in those months")
    return " ".join(line.split())


def cron_and_zone(text: str) -> tuple[str, str | None]:
    """A cron line and the time zone at its end, None where there is none.

    Example:
        >>> cron_and_zone("0 6 * * 1-5 Europe/Paris")
        ('0 6 * * 1-5', 'Europe/Paris')
    """
    *words, last = text.split() or [""]
    if len(words) == len(_CRON_FIELDS) and last[0].isalpha():
        return " ".join(words), last
    return text, None


def cron_fields(line: str) -> list[set[int] | None]:
    """The values of each of the five fields; None for all of them. Raises ValueError as ``cron`` does."""
    words = line.split()
    if len(words) != len(_CRON_FIELDS):
        raise ValueError(f"{line!r} is not a cron line of five fields, like \"0 * * * *\"")
    return [_cron_field(word, *field) for word, field in zip(words, _CRON_FIELDS, strict=True)]


def _cron_field(word: str, name: str, low: int, high: int) -> set[int] | None:
    """The values of a field; None for all of them (``*``)."""
    values: set[int] = set()
    for item in word.split(","):
        found = _cron_item(item, name, low, high)
        if not found:
            raise ValueError(f"{item!r} is no {name} of a cron line ({low} to {high}, *, lists, ranges, steps)")
        values.update(found)
    return None if word == "*" else values


def _cron_item(item: str, name: str, low: int, high: int) -> range | None:
    """``*``, ``5``, ``1-5``, the first and the last with an optional ``/step``; None when it is none of these.

    ``5/10`` runs from 5 to the field's end, ``*/10`` from its beginning. A step must fit in its range:
    ``*/90`` minutes would run once an hour, not every 90 minutes.
    """
    match = _CRON_ITEM.fullmatch(item)
    if not match:
        return None
    first = _cron_number(match["first"], name) if match["first"] else low
    last = _cron_number(match["last"], name) if match["last"] else high
    step = int(match["step"] or 1)
    if first is None or last is None or not low <= first <= last <= high:
        return None
    if match["first"] and not match["last"] and not match["step"]:
        return range(first, first + 1)
    return range(first, last + 1, step) if 1 <= step <= last - first else None


def _cron_number(text: str, field: str) -> int | None:
    """A number of at most two digits, or a month's or a day's name in the field that has them."""
    if text.isascii() and text.isdecimal() and len(text) <= 2:
        return int(text)
    names = _MONTHS if field == "month" else _DAYS if field == "day of the week" else ()
    return _CRON_NAMES[text.lower()] if text.lower() in names else None


def memory(value: object) -> str:
    """An amount of memory as Kubernetes writes it: ``2Gi``, ``512Mi``. Raises ValueError."""
    if isinstance(value, str) and re.fullmatch(r"[1-9]\d*(\.\d+)?(Ki|Mi|Gi|Ti|M|G|T)", value):
        return value
    raise ValueError(f"{value!r} is no amount of memory with a unit, like 2Gi or 512Mi")


def processors(value: object) -> str:
    """A number of processors as Kubernetes writes it: ``1``, ``0.5``, ``500m``. Raises ValueError."""
    text = str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    if re.fullmatch(r"\d+(\.\d{1,3})?|\d+m", text) and float(text.removesuffix("m")):
        return text
    raise ValueError(f"{value!r} is no number of processors, like 1, 0.5 or 500m")
