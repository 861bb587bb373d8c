"""The messages of a step, built as those of a small run are."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pyarrow as pa

from candu_sync.changes import Encoding, Identity, in_array, messages_of_few
from candu_sync.doctor.names import Names
from candu_sync.doctor.steps import Messages, Step
from candu_sync.rows import ARROW, Trait, ValueKind


def built(step: Step, names: Names, namespace: UUID, *, message_id: bool) -> Iterator[pa.RecordBatch]:
    """The requests of a step, in order: message int64, body string with a comma after it.

    Args:
        namespace: of the messageId.
        message_id: whether messages have one where the step leaves it to the settings.
    """
    for wanted in step.requests:
        with_id = message_id if wanted.message_id is None else wanted.message_id
        identity = Identity(namespace, f"doctor\n{names.id}\n{step.name}") if with_id else None
        traits = _traits(wanted)
        yield in_array(messages_of_few(Encoding(wanted.kind, traits, identity), _rows(wanted, traits, names)))


def _traits(wanted: Messages) -> tuple[Trait, ...]:
    texts = tuple(Trait(name, ValueKind.TEXT) for name in wanted.traits)
    return texts if wanted.numbered is None else (*texts, Trait(wanted.numbered, ValueKind.NUMBER))


def _rows(wanted: Messages, traits: tuple[Trait, ...], names: Names) -> pa.RecordBatch:
    """The columns that ``Encoding`` names."""
    count = wanted.count
    users = [names.second if wanted.second and n else names.user for n in range(count)]
    columns: dict[str, pa.Array] = {
        "message": pa.array(range(count), pa.int64()),
        "key": pa.array([f"{user}\n{n}" for n, user in enumerate(users)]),
        "user_id": pa.array(users), "group_id": pa.array([names.user] * count),
        "event": pa.array([wanted.event] * count),
        "occurred": pa.array([names.past if wanted.past else names.began] * count, pa.timestamp("us"))}
    for n, trait in enumerate(traits):
        value = wanted.traits.get(trait.name)
        values = range(1, count + 1) if trait.name == wanted.numbered else [value and names.filled(value)] * count
        columns[f"t{n}"] = pa.array(values, ARROW[trait.kind])
        columns[f"c{n}"] = pa.array([True] * count)
    return pa.record_batch(columns)
