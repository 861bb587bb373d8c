"""The steps, as data: what is sent, what to look for in Candu, and what each answer means.

In the texts, ``{user}``, ``{second}`` and ``{group}`` are the ids of the tests, ``{past}`` is a date (``Names``).

What Candu's pages say of its own screens: an ``email`` is "shown in users view"; Segments > Create Segment takes
conditions on User ID, User Property, Group ID, Group Property and User Events; the secret of Signed Identities is in
Settings, and only owners and admins switch them on (docs/candu.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Reply = Literal["yes", "no", "refused"]
"""What is known of a step: the answer to its question, or Candu refused what was sent."""

TRAIT = "candu_sync_doctor"

# Days before now.
PAST = 30

# Messages of the larger arrays.
SIZES = (100, 200, 500, 1000)
SMALL = 20


@dataclass(frozen=True, kw_only=True)
class Messages:
    """The messages of one request.

    Attributes:
        kind: users (identify), groups (group) or events (track).
        traits: names and values, properties of events; None: null.
        count: how many messages; where there are several, each has its number, from 1, as the trait ``numbered``.
        second: the second message is of the second user.
        event: its name.
        past: it happened ``PAST`` days ago.
        message_id: they have one if Candu takes it; None: as the settings say.
    """

    kind: str = "users"
    traits: Mapping[str, str | None] = field(default_factory=dict)
    count: int = 1
    numbered: str | None = None
    second: bool = False
    event: str = ""
    past: bool = False
    message_id: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an answer means.

    Attributes:
        says: what is known now, a part of a sentence.
        settings: the settings that follow, without the prefix of their names.
        advice: what else to do.
        ends: the other steps say nothing then.
    """

    says: str
    settings: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
    ends: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to find out.

    Attributes:
        title: what it is about.
        requests: what is sent, one after the other.
        look: where to look in Candu.
        question: is answered by yes or no; empty: Candu's answer to the request is the answer.
        means: by answer.
        needs: the answers of earlier steps without which it makes no sense.
        before: what to do first, by hand.
    """

    name: str
    title: str
    requests: tuple[Messages, ...]
    look: str = ""
    question: str = ""
    means: Mapping[Reply, Meaning]
    needs: Mapping[str, tuple[Reply, ...]] = field(default_factory=dict)
    before: str = ""


_USER = "In Candu, open {user}: in the users view (as {user}@example.com), or by a segment with its User ID"
_ANYTHING: Mapping[str, tuple[Reply, ...]] = {"identify": ("yes",)}


# Larger requests must not be tried by themselves where some of their messages do not arrive.
_NO_GROWTH = {"BATCH_GROWTH": "false"}


def _array(size: int, needs: Mapping[str, tuple[Reply, ...]], otherwise: Mapping[str, str]) -> Step:
    trait = f"{TRAIT}_array"
    return Step(
        name=f"array_{size}", title=f"{size:,} messages in a request",
        requests=(Messages(count=size, numbered=trait),),
        look=f"{_USER}. Each message set the property {trait} to its own number, from 1 to {size}",
        question=f"Is {trait} now {size}?", needs=needs,
        means={"yes": Meaning(says=f"{size:,} messages in a request arrive", settings={"BATCH_SIZE": str(size)}),
               "no": Meaning(says=f"{size:,} messages in a request do not all arrive", settings=otherwise),
               "refused": Meaning(says=f"{size:,} messages in a request are refused", settings=otherwise)})


def _larger() -> tuple[Step, ...]:
    """Each size is tried if the one before arrived. 20 is tried only if 100 did not."""
    first, small = SIZES[0], {"BATCH_SIZE": "2", **_NO_GROWTH}
    return (_array(first, {"array": ("yes",)}, _NO_GROWTH), _array(SMALL, {f"array_{first}": ("no", "refused")}, small),
            *(_array(size, {f"array_{before}": ("yes",)}, _NO_GROWTH) for before, size in itertools.pairwise(SIZES)))


_ONE = {"BATCH_SIZE": "1", **_NO_GROWTH}
_CONSTANTS = ("for a trait that segments use, a constant is seen where a null is not: `nulls: {plan: none}` in the "
              "sync's YAML")
_OMIT = {"NULLS": "omit"}
_ASK = "ask Candu's support, with its answer"
_NOT_STORED = (
    "Candu may take minutes: look again, and call `candu-sync doctor` again. If Signed Identities are on in this "
    "workspace, they may be why: switch them off, and call `candu-sync doctor --again`. Candu's help also says that it "
    "only tracks users who have opened a page with Candu. Else ask Candu's support, with the user's id")
_OF_USERS = "send what segments need as traits of users: a model of users that joins the account"
_TODAY = "let models of events begin with today, and send what happened before as traits: counts, last dates"
_OFF = "do not switch them on while candu-sync sends users; ask Candu's support"

STEPS: tuple[Step, ...] = (
    Step(
        name="identify", title="one identify",
        requests=(Messages(traits={"email": "{user}@example.com", TRAIT: "one identify"}, message_id=False),),
        look=_USER,
        question=f"Is it there, with the property {TRAIT} = one identify?",
        means={
            "yes": Meaning(says="what the key sends is stored"),
            "no": Meaning(says="an identify is accepted, but not stored", ends=True, advice=_NOT_STORED),
            "refused": Meaning(says="an identify is refused", ends=True, advice=_ASK)}),
    Step(
        name="message_id", title="a messageId", needs=_ANYTHING,
        requests=(Messages(traits={TRAIT: "with a messageId"}, message_id=True),),
        means={"yes": Meaning(says="a messageId is taken"),
               "refused": Meaning(says="a messageId is refused", settings={"MESSAGE_ID": "false"})}),
    Step(
        name="array", title="two users in one request", needs=_ANYTHING,
        requests=(Messages(count=2, numbered=f"{TRAIT}_array", second=True),),
        look="In Candu, open {user} and {second}, in the users view or by a segment with the User Property "
             f"{TRAIT}_array",
        question=f"Is the property {TRAIT}_array 1 for the first user, and 2 for the second?",
        means={"yes": Meaning(says="several messages in a request arrive"),
               "no": Meaning(says="of several messages in a request not all arrive", settings=_ONE),
               "refused": Meaning(says="several messages in a request are refused", settings=_ONE)}),
    Step(
        name="group", title="one group", needs=_ANYTHING,
        requests=(Messages(kind="groups", traits={TRAIT: "one group"}),),
        look="In Candu, make a segment with the Group ID {group}, or with the Group Property "
             f"{TRAIT} = one group",
        question="Does it find {user}?",
        means={"yes": Meaning(says="groups are stored"),
               "no": Meaning(says="a group is accepted, but not stored", advice=_OF_USERS),
               "refused": Meaning(says="a group is refused", advice=_OF_USERS)}),
    Step(
        name="nulls", title="a trait that turns null", needs=_ANYTHING,
        requests=(Messages(traits={f"{TRAIT}_null": "a value"}), Messages(traits={f"{TRAIT}_null": None})),
        look=f"{_USER}. The property {TRAIT}_null was sent as \"a value\", and then as null",
        question=f"Is {TRAIT}_null empty or gone?",
        means={"yes": Meaning(says="a null empties a trait", settings={"NULLS": "send"}),
               "no": Meaning(says="a null changes nothing", settings=_OMIT, advice=_CONSTANTS),
               "refused": Meaning(says="a null is refused", settings=_OMIT, advice=_CONSTANTS)}),
    Step(
        name="duplicates", title="an event twice, with the same messageId",
        needs={**_ANYTHING, "message_id": ("yes",)},
        requests=(Messages(kind="events", event="candu-sync doctor: repeated", message_id=True),) * 2,
        look="In Candu, look at the events of {user}: in Analytics, or by a segment with User Events. \"candu-sync "
             "doctor: repeated\" was sent two times, with the same messageId",
        question="Is the event there only once?",
        means={"yes": Meaning(says="a repeated messageId is dropped", settings={"MESSAGE_ID": "true"}, advice=(
                   "events that were in flight when a process died can be sent again: `uncertain: resend`")),
               "no": Meaning(says="a repeated messageId counts again", advice=(
                   "events that were in flight when a process died may count twice. Where that is worse than a missing "
                   "event, write `uncertain: skip` into the YAML of the sync")),
               "refused": Meaning(says="an event is refused", advice=_ASK)}),
    Step(
        name="past_events", title="an event of the past", needs=_ANYTHING,
        requests=(Messages(kind="events", event="candu-sync doctor: past", past=True),),
        look="In Candu, look at the events of {user}: \"candu-sync doctor: past\" was sent as of {past}",
        question="Does Candu show the event on {past}, and not today?",
        means={"yes": Meaning(says="events keep their own time"),
               "no": Meaning(says="an event counts when it arrives", advice=_TODAY),
               "refused": Meaning(says="an event of the past is refused", advice=_TODAY)}),
    *_larger(),
    Step(
        name="signed_identities", title="Signed Identities", needs=_ANYTHING,
        before="Switch Signed Identities on, in Candu's Settings (owners and admins can). While they are on, Candu "
               "stores no identify call of a browser without a valid HMAC: take a workspace that nobody uses, or skip "
               "this step",
        requests=(Messages(traits={f"{TRAIT}_signed": "while Signed Identities are on"}),),
        look=f"{_USER}. After the answer, switch Signed Identities off again if they were off before",
        question=f"Does it have the property {TRAIT}_signed?",
        means={"yes": Meaning(says="with Signed Identities on, identify calls by REST are stored"),
               "no": Meaning(says="with Signed Identities on, identify calls by REST are accepted, but not stored",
                             advice=_OFF),
               "refused": Meaning(says="with Signed Identities on, identify calls by REST are refused",
                                  advice=_OFF)}),
)
