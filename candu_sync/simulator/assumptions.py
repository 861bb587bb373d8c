"""What Candu does not publish: how the simulator takes it. Each can be changed, to see what a connector does then.

They hold for what comes by the REST API, and by Segment as far as Candu's side is concerned.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from candu_sync.simulator.contract import MAX_MESSAGES, Batch, ContractError, Message
from candu_sync.simulator.faults import sentence

# A timestamp that is older is one of the past: clocks differ, and requests wait.
_PAST = timedelta(hours=1)


class Assumptions(BaseModel):
    """How Candu behaves where its documentation is silent.

    Attributes:
        most_messages: of a request; more are refused with the status ``too_many``.
        most_stored: so many messages of a request are stored, though all are answered 200; None: all.
        nulls: a null as a trait is kept as null, removes the trait, is ignored, or its request is refused.
        message_ids: a repeated messageId is stored again, or once; or a messageId is refused.
        past_events: the timestamp of an event of the past is kept, or becomes that of its arrival.
        not_stored: messages of these types are answered 200 and not stored.
        signed_identities: whether they are switched on; the script of a browser then needs an HMAC.
        rest_is_exempt: what the REST API identifies without an HMAC is stored then, too; else it is answered 200 and
            not stored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    most_messages: int = Field(default=MAX_MESSAGES, ge=1, le=100_000)
    too_many: Literal[400, 413] = 413
    most_stored: int | None = Field(default=None, ge=1)
    nulls: Literal["kept", "removed", "ignored", "refused"] = "kept"
    message_ids: Literal["stored", "once", "refused"] = "stored"
    past_events: Literal["kept", "now"] = "kept"
    not_stored: frozenset[Literal["identify", "group", "track"]] = frozenset()
    signed_identities: bool = False
    rest_is_exempt: bool = True

    def check(self, batch: Batch) -> None:
        """ContractError for a batch that is refused."""
        for index, message in enumerate(batch.messages):
            if self.message_ids == "refused" and "messageId" in message:
                raise ContractError("messageId: unknown field", index=index)
            nulls = [name for name, value in message.get("traits", {}).items() if value is None]
            if self.nulls == "refused" and nulls:
                raise ContractError(f"traits.{nulls[0]:.80}: must not be null", index=index)

    def stored(self, batch: Batch, now: datetime) -> Batch:
        """What is kept of a batch; it may have no messages left."""
        unsigned = batch.type == "identify" and self.signed_identities and not self.rest_is_exempt
        if unsigned or batch.type in self.not_stored:
            return Batch(batch.type, [], [])
        kept = batch.messages[:self.most_stored]
        if self.nulls != "ignored" and (self.past_events == "kept" or batch.type != "track"):
            return Batch(batch.type, kept, batch.payloads[:self.most_stored])
        messages = [self._stored(message, now) for message in kept]
        return Batch(batch.type, messages, [orjson.dumps(message) for message in messages])

    def _stored(self, message: Message, now: datetime) -> Message:
        if self.nulls == "ignored" and "traits" in message:
            traits = {name: value for name, value in message["traits"].items() if value is not None}
            message = message | {"traits": traits}
        if self.past_events == "now" and "timestamp" in message:
            sent = datetime.fromisoformat(message["timestamp"])
            if now - sent > _PAST:
                message = message | {"timestamp": now.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"}
        return message


class Assumed:
    """The assumptions of a simulator that runs, ``first`` to begin with. Safe to use from several threads."""

    def __init__(self, first: Assumptions | None = None) -> None:
        self._lock = threading.Lock()
        self._first = self.now = first or Assumptions()

    def change(self, wanted: object) -> None:
        """Changes some of them (a dict). ValueError says what is wrong."""
        if not isinstance(wanted, dict):
            raise ValueError("assumptions are a JSON object")
        with self._lock:
            try:
                self.now = Assumptions.model_validate(self.now.model_dump() | wanted)
            except ValidationError as error:
                raise ValueError(sentence(error)) from None

    def reset(self) -> None:
        """All of them as at first."""
        with self._lock:
            self.now = self._first

    def listed(self) -> dict[str, Any]:
        """All of them, ready for JSON."""
        return self.now.model_dump(mode="json")
