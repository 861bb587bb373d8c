"""What a setting means for the kind of its folder, and two settings for each other."""

from __future__ import annotations

from collections.abc import Iterator

from candu_sync.syncs.spec import Kind, Spec

__all__ = ["Conflict", "conflicts", "full_key", "message_columns"]

Conflict = tuple[tuple[str | int, ...], str]
"""Path of the key in the YAML that the sentence is about, and the sentence."""

_IDS: dict[Kind, tuple[str, ...]] = {
    "users": ("user_id",),
    "groups": ("group_id", "user_id"),
    "events": ("event_id",),
}


def full_key(kind: Kind, declared: tuple[str, ...] | None) -> tuple[str, ...]:
    """The columns that identify a row.

    The ids that a message carries always belong to the identity of a user's or a group's row: those that a declared
    key leaves out are appended. A declared key of events replaces ``event_id``.
    """
    ids = _IDS[kind]
    if not declared:
        return ids
    return declared if kind == "events" else (*declared, *(column for column in ids if column not in declared))


def message_columns(kind: Kind, key: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that are no traits or properties: ids, and an event's name and time."""
    if kind != "events":
        return _IDS[kind]
    return (*(column for column in _IDS[kind] if column in key), "user_id", "event", "timestamp")


def conflicts(kind: Kind, spec: Spec) -> Iterator[Conflict]:
    """What is contradictory, with the place to correct; nothing when the settings agree."""
    yield from _columns(kind, spec)
    yield from _refresh(kind, spec)
    if kind == "events" and spec.removed != "keep":
        yield ("removed",), "events do not leave a result; only keep has a meaning for them"
    if kind == "users" and "unidentified" in spec.model_fields_set:
        yield ("unidentified",), "it is for events and groups; a sync of users is what identifies them"
    if kind != "users" and spec.ids is not None:
        yield ("ids",), "it is for users: their ids are those that a page passes to Candu.init"
    if spec.cursor and kind != "events":
        yield ("cursor",), f"a cursor is for events; the {kind} of a model are compared whole with what was sent"
    if spec.cursor and spec.partitions:
        yield ("cursor",), "a cursor and partitions exclude each other: a partition's window says where to look"
    if kind == "events" and spec.partitions and spec.partitions.shards and len(full_key(kind, spec.key)) > 1:
        yield ("partitions", "shards"), "the shards of events need a key of one column, whose hash divides them"


def _refresh(kind: Kind, spec: Spec) -> Iterator[Conflict]:
    if spec.refresh is None:
        return
    if kind == "events":
        yield ("refresh",), "it is for users and groups; an event that was sent is never sent again"
    if spec.partitions and spec.partitions.every:
        yield ("refresh",), ("it does not go with windows of time: the rows of an old window would go over those of a "
                             "newer one")


def _columns(kind: Kind, spec: Spec) -> Iterator[Conflict]:
    carried = message_columns(kind, full_key(kind, spec.key))
    traits: dict[str, str] = {}
    for column, trait in spec.rename.items():
        if column in carried:
            yield ("rename", column), f"{column} is required by its name in {kind}, and is no trait to rename"
        if trait in traits:
            yield ("rename", column), f"{traits[trait]} and {column} would both become {trait}; a trait has one column"
        traits.setdefault(trait, column)
    for position, column in enumerate(spec.omit):
        if column in carried:
            yield ("omit", position), f"{column} is required in {kind}, and cannot be left out"
        if column in spec.rename:
            yield ("omit", position), f"{column} is renamed and omitted; keep one of the two"
