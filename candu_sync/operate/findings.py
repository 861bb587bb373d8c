"""What is odd about a sync and is sent all the same: names of traits, two senders of one trait, ids, old events.

Candu takes any name: a misspelt trait is a second one beside the right one. ``check``, ``plan`` and Dagster's check
show these findings, in these words.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from candu_sync.changes import ChangeSet, baseline_command, noise_notes
from candu_sync.naming import counted
from candu_sync.suggestions import nearest
from candu_sync.syncs import Sync, split, window

# Longer names, or more traits, work as far as is known; tools that show them may not (docs/candu.md).
LONG_TRAIT = 150
MANY_TRAITS = 300

NO_USERS = ("there is no sync of users: Candu builds segments from the traits of users, events alone are not enough")

# A window that is run on the day after it ended, and again after a weekend's outage, is a normal one.
_LATE = dt.timedelta(days=2)

# difflib's ratio: emial and e-mail are like email, name is not.
_LIKE_EMAIL = 0.8


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """Something odd about a sync.

    Attributes:
        code: what it is, for programs, like ``not_email``.
        severity: an error is a mistake for certain; a warning may be meant.
        sentence: for people; without the sync's name.
        trait: the trait that it is about; None: it is about none, or about several.
    """

    code: str
    severity: Literal["error", "warning"]
    sentence: str
    trait: str | None = None


def _warning(code: str, sentence: str, trait: str | None = None) -> Oddity:
    return Oddity(code=code, severity="warning", sentence=sentence, trait=trait)


def odd_names(kind: str, traits: Sequence[str]) -> Iterator[Oddity]:
    """The names of a sync's traits, against Candu's own and each other.

    Example:
        >>> [(found.code, found.trait) for found in odd_names("users", ["Email", "plan "])]
        [('not_email', 'Email'), ('space', 'plan ')]
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for name in traits:
        alike["".join(name.casefold().split())].append(name)
        if name != name.strip():
            yield _warning("space", f"the trait {name!r} begins or ends with a space", name)
        if len(name.encode()) > LONG_TRAIT:
            yield _warning("long_name", f"the trait {name[:40]}… has a name over {LONG_TRAIT} bytes", name)
        if kind == "users" and "email" not in traits and _like_email(name):
            yield _warning("not_email", f"the trait {name} is not Candu's email, which is all lowercase: "
                           f"`rename: {{{name}: email}}`", name)
    for group in alike.values():
        if len(group) > 1:
            yield _warning("alike", f"the traits {' and '.join(map(repr, group))} differ by upper and lower case or "
                           "spaces only")
    if len(traits) > MANY_TRAITS:
        yield _warning("many_traits", f"sends {len(traits)} traits, over {MANY_TRAITS}")


def _like_email(name: str) -> bool:
    letters = re.sub(r"[^a-z]", "", name.casefold())
    return letters == "email" or nearest(name.strip(), ["email"], cutoff=_LIKE_EMAIL) is not None


def two_senders(traits: Sequence[str], others: Mapping[str, Sequence[str]]) -> Iterator[Oddity]:
    """The traits that other syncs of the same kind send too.

    Args:
        others: sync → its traits.
    """
    for sync, theirs in others.items():
        both = [name for name in traits if name in theirs]
        if both:
            yield Oddity(code="two_senders", severity="error", trait=both[0] if len(both) == 1 else None, sentence=(
                f"{sync} sends {', '.join(both)} too: the last to run wins. Leave it in one, `omit` or `rename` it in "
                "the other"))


def odd_changes(sync: Sync, changes: ChangeSet, now: dt.datetime) -> Iterator[Oddity]:
    """What a change set shows: names, ids that look like another, a window of events that ended long ago."""
    yield from odd_names(changes.kind, given_traits(changes))
    odd = changes.summary.odd_ids
    if spaces := odd.get("stray spaces"):
        yield _warning("id_spaces", f"ids that begin or end with a space: {counted(spaces, 'id')}. Candu takes each "
                       "for another than the one without")
    if cases := odd.get("upper and lower case"):
        yield _warning("id_case", f"ids that differ from another by upper and lower case only: {counted(cases, 'id')}. "
                       "Candu takes each for another")
    yield from _other_identity(sync, changes)
    yield from (_warning("noise", sentence) for sentence in noise_notes(changes.summary))
    yield from _late(sync, changes, now)


def _other_identity(sync: Sync, changes: ChangeSet) -> Iterator[Oddity]:
    s = changes.summary
    if not s.identity_changes:
        return
    command = baseline_command(sync, changes.partition)
    if sync.kind == "events":
        effect = (f"{counted(s.late, 'event')} to send may be known to Candu" if s.late
                  else "nothing that was sent is sent again")
    else:
        effect = (f"{counted(s.added, 'row')} of today are unknown by that and are sent whole, which Candu merges; "
                  f"`{command}` takes today's rows as sent instead" if s.added else "all rows of today are known")
    yield _warning("identity", f"{'; '.join(s.identity_changes)}: {effect}")


def given_traits(changes: ChangeSet) -> list[str]:
    """The names of the traits that the model gives."""
    return list(dict.fromkeys(t.name for t in changes.sent_traits))


def _late(sync: Sync, changes: ChangeSet, now: dt.datetime) -> Iterator[Oddity]:
    if sync.kind != "events" or sync.partitions is None or changes.partition is None:
        return
    start, _ = split(sync.partitions, changes.partition)
    if start is None:
        return
    ended = window(sync.partitions, start).end
    if changes.summary.added and now - ended > _LATE:
        yield _warning("late_window", f"this window ended {counted((now - ended).days, 'day')} ago: its "
                       f"{counted(changes.summary.added, 'event')} go with their own timestamps, and Candu counts "
                       "events from their arrival: segments and conditions take them for new")
