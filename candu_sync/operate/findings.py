"""The findings about a sync: what is wrong or odd, each under one code. docs/findings.md lists them.

Candu takes any name: a misspelt trait becomes a second trait, next to the right one. ``check``, ``plan`` and Dagster's
check show the same findings, in the same words. No finding stops a run.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from candu_sync.changes import ChangeSet, baseline_command, noise_notes
from candu_sync.dbt import resolve_sync
from candu_sync.naming import counted
from candu_sync.operate.finding import Finding
from candu_sync.operate.other_syncs import OtherSyncs
from candu_sync.operate.own_events import about_own_events, events_set_aside
from candu_sync.operate.sql_findings import about_sql
from candu_sync.rows import EMAIL_NOT_TEXT, ValueKind
from candu_sync.suggestions import nearest, pairs_one_letter_apart
from candu_sync.syncs import Sync, split, window
from candu_sync.target import Target

# Longer names, or more traits, work as far as is known; tools that show them may not (docs/candu.md).
LONG_TRAIT = 150
MANY_TRAITS = 300

# A window that is run on the day after it ended, and again after a weekend's outage, is a normal one.
_LATE = dt.timedelta(days=2)

# difflib's ratio: emial and e-mail are like email, name is not.
_LIKE_EMAIL = 0.8

_ONE_NAME = "If one is meant, `rename` the other"


def findings_of(target: Target, changes: ChangeSet, others: OtherSyncs, *,
                now: dt.datetime | None = None) -> list[Finding]:
    """The findings about a target by its change set: what its names, its rows and the other syncs show.

    Args:
        others: what the other syncs of the project send.
        now: aware; None: now.

    Example:
        >>> from candu_sync import load_syncs, plan
        >>> catalog = load_syncs(project.settings.sql_dir)
        >>> target = Target(project, sync)
        >>> findings_of(target, plan(target), OtherSyncs(project, catalog))
        []
    """
    sync = target.sync
    # Of a trait that changed its kind, the newest.
    kinds = {trait.name: str(trait.kind) for trait in changes.sent_traits}
    sql = [] if target.ended else [
        found for about in (about_sql, about_own_events) for found in about(
            sync, resolve_sync(sync, target.project.settings.dbt_manifest).sql, kinds,
            target.project.warehouse.dialect)]
    # Of a result without rows the traits are not known.
    traits = about_traits(sync, kinds) if kinds or changes.summary.rows else ()
    return [*sql, *traits, *about_others(sync, list(kinds), others),
            *_about_rows(sync, changes, others, now or dt.datetime.now(dt.UTC))]


def about_traits(sync: Sync, kinds: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about the traits of a sync: their names and kinds.

    Args:
        kinds: trait → its kind, like ``text``.

    Example:
        >>> [(found.code, found.column) for found in about_traits(sync, {"Email": "text", "plan ": "number"})]
        [('not_email', 'Email'), ('space', 'plan ')]
    """
    if kinds.get("email", ValueKind.EMPTY) not in (ValueKind.TEXT, ValueKind.EMPTY):
        yield _email_not_text(sync)
    if sync.kind == "users" and not kinds:
        yield Finding(code="no_traits", sync=sync.name, sentence="the model gives no traits: nothing would be sent",
                      advice="Select a column beside the key; each is a trait, named as the column")
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(kinds):
        alike["".join(name.casefold().split())].append(name)
        if name != name.strip():
            yield Finding(code="space", sync=sync.name, column=name,
                          sentence=f"the trait {name!r} begins or ends with a space")
        if len(name.encode()) > LONG_TRAIT:
            yield Finding(code="long_name", sync=sync.name, column=name,
                          sentence=f"the trait {name[:40]}… has a name over {LONG_TRAIT} bytes")
        if sync.kind == "users" and "email" not in kinds and _like_email(name):
            yield Finding(code="not_email", sync=sync.name, column=name, advice=f"Write `rename: {{{name}: email}}`",
                          sentence=f"the trait {name} is not Candu's email, which is all lowercase")
    for group in alike.values():
        if len(group) > 1:
            yield Finding(code="alike", sync=sync.name, sentence=(
                f"the traits {' and '.join(map(repr, group))} differ by upper and lower case or spaces only"))
    names = sorted(kinds)[:MANY_TRAITS]
    for one, other in pairs_one_letter_apart(names, names):
        if one < other:
            yield Finding(code="near", sync=sync.name, advice=_ONE_NAME, sentence=(
                f"the traits {one!r} and {other!r} differ by one letter: for Candu they are two"))
    if len(kinds) > MANY_TRAITS:
        yield Finding(code="many_traits", sync=sync.name, sentence=f"sends {len(kinds)} traits, over {MANY_TRAITS}")


def _email_not_text(sync: Sync) -> Finding:
    return Finding(code="email_not_text", sync=sync.name, column="email",
                   sentence="email must be text: rows whose email is of another type are set aside",
                   advice="Cast it to text, or rename the column")


def _like_email(name: str) -> bool:
    letters = re.sub(r"[^a-z]", "", name.casefold())
    return letters == "email" or nearest(name.strip(), ["email"], cutoff=_LIKE_EMAIL) is not None


def about_others(sync: Sync, traits: Sequence[str], others: OtherSyncs) -> Iterator[Finding]:
    """The findings about a sync among the other syncs: a trait that two of one kind send, events without users."""
    for other, theirs in others.senders(sync).items():
        both = sorted(set(traits) & set(theirs))
        if both:
            yield Finding(code="two_senders", sync=sync.name, column=both[0] if len(both) == 1 else None,
                          sentence=f"{other} sends {', '.join(both)} too: the last to run wins",
                          advice="Leave it in one, `omit` or `rename` it in the other")
        for mine, near in pairs_one_letter_apart({*traits} - {*theirs}, {*theirs} - {*traits}):
            yield Finding(code="near", sync=sync.name, column=mine, advice=_ONE_NAME, sentence=(
                f"the trait {mine!r} is one letter away from {near!r}, which {other} sends: for Candu they are two"))
    if sync.kind == "events" and not others.users():
        yield Finding(code="no_users", sync=sync.name, sentence=(
            "there is no sync of users: Candu builds segments from the traits of users, events alone are not enough"))


def _about_rows(sync: Sync, changes: ChangeSet, others: OtherSyncs, now: dt.datetime) -> Iterator[Finding]:
    """What the rows show: an email that is not text (a plan takes its column for text), ids that look like another,
    noise, a window of events that ended long ago."""
    if EMAIL_NOT_TEXT in changes.summary.reasons:
        yield _email_not_text(sync)
    yield from events_set_aside(changes)
    found = changes.summary.odd_ids
    about = partial(Finding, sync=sync.name, partition=changes.partition)
    if spaces := found.get("stray spaces"):
        yield about(code="id_spaces", sentence=(
            f"ids that begin or end with a space: {counted(spaces, 'id')}. Candu takes each for another than the one "
            "without"))
    if cases := found.get("upper and lower case"):
        yield about(code="id_case", sentence=(
            f"ids that differ from another by upper and lower case only: {counted(cases, 'id')}. Candu takes each for "
            "another"))
    if others.users():  # else ``no_users`` says it
        yield from _unidentified(sync, changes)
    yield from _other_identity(sync, changes)
    for note in noise_notes(changes.summary):
        yield about(code=f"noise_{note.sign}", column=note.trait, sentence=note.sentence, advice=note.advice)
    yield from _late(sync, changes, now)


def _unidentified(sync: Sync, changes: ChangeSet) -> Iterator[Finding]:
    users, held = changes.summary.unidentified, changes.summary.held_back
    if not users:
        return
    waits = f". {counted(held, 'row')} of theirs {'waits' if held == 1 else 'wait'} until then" if held else ""
    yield Finding(code="unidentified", sync=sync.name, partition=changes.partition,
                  sentence=(f"{counted(users, 'user')} {'was' if users == 1 else 'were'} never identified: Candu makes "
                            "segments of users whose traits it has"),
                  advice=f"Let a sync of users send them{waits}")


def _other_identity(sync: Sync, changes: ChangeSet) -> Iterator[Finding]:
    s, advice = changes.summary, ""
    if not s.identity_changes:
        return
    if sync.kind == "events":
        effect = (f"{counted(s.late, 'event')} to send may be known to Candu" if s.late
                  else "nothing that was sent is sent again")
    elif s.added:
        effect = f"{counted(s.added, 'row')} of today are unknown by that and are sent whole, which Candu merges"
        advice = f"`{baseline_command(sync, changes.partition)}` takes today's rows as sent instead"
    else:
        effect = "all rows of today are known"
    yield Finding(code="identity", sync=sync.name, partition=changes.partition, advice=advice,
                  sentence=f"{'; '.join(s.identity_changes)}: {effect}")


def _late(sync: Sync, changes: ChangeSet, now: dt.datetime) -> Iterator[Finding]:
    if sync.kind != "events" or sync.partitions is None or changes.partition is None:
        return
    start, _ = split(sync.partitions, changes.partition)
    if start is None:
        return
    ended = window(sync.partitions, start).end
    if changes.summary.added and now - ended > _LATE:
        yield Finding(code="late_window", sync=sync.name, partition=changes.partition, sentence=(
            f"this window ended {counted((now - ended).days, 'day')} ago: its "
            f"{counted(changes.summary.added, 'event')} go with their own timestamps, and Candu counts events from "
            "their arrival: segments and conditions take them for new"))
