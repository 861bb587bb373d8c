"""Everything that can go wrong, as one tree.

    CanduSyncError
    ├── UsageError              wrong words in a command (exit 2)
    ├── SettingsError           a setting is missing or wrong                  (exit 2)
    │   └── OtherWorkspace      the state belongs to another workspace of Candu
    ├── OtherRoute              the snapshot was sent by another route         (exit 2)
    ├── SpecError               a file under sql/ is wrong                     (exit 2)
    ├── WarehouseError          the warehouse refuses the query                (exit 1)
    │   └── WarehouseUnreachable    it does not answer: worth another try
    ├── ModelError              a model's columns cannot become messages       (exit 1)
    │   └── PreconditionFailed  dbt has not built or tested it as the YAML asks
    ├── StateError              the state cannot be read or written            (exit 1)
    │   ├── StateUnreachable    the store does not answer: worth another try
    │   ├── DamagedState        a file is truncated, altered or missing
    │   ├── ForeignState        the folder is of another format
    │   ├── StaleChanges        a change set of an older snapshot
    │   └── Claimed             another run is at work on the same partition
    ├── GuardTripped            a guard stopped the run, nothing was sent      (exit 3)
    └── CanduError              Candu's or Segment's answer, or its silence    (exit 1)
        ├── Unauthorized        the key is wrong: terminal for the whole run
        ├── DestinationTrouble  the address, the account or the contract: no row is to blame, the run ends
        ├── Refused             400, 404, 413, 422 and the like: permanent for this request
        └── Transient           408, 425, 429, 5xx, timeouts: worth another try

Each message says what happened, to what, and what to do next. None carries a trait value or the API key.
"""

from __future__ import annotations


class CanduSyncError(Exception):
    """The root of the tree. ``exit_code`` is what the command line ends with."""

    exit_code: int = 1


class UsageError(CanduSyncError):
    """The words of a command are wrong: an unknown sync, a partition that does not exist."""

    exit_code = 2


class SettingsError(CanduSyncError):
    """A setting is missing or wrong."""

    exit_code = 2


class OtherWorkspace(SettingsError):
    """The state holds what another workspace of Candu accepted. ``key``: the URL is the same, the API key is not."""

    def __init__(self, message: str, *, key: bool) -> None:
        self.key = key
        super().__init__(message)


class OtherRoute(CanduSyncError):
    """A snapshot holds what was sent by another route than the one that the settings of its sync name."""

    exit_code = 2


class OtherShards(CanduSyncError):
    """What was sent is kept in another number of shards than the YAML of its sync has."""

    exit_code = 2


class SpecError(CanduSyncError):
    """A file under ``sql/`` is wrong. ``path`` is the file, ``line`` (1-based) the line where known,
    ``sync`` the sync's name where the file belongs to one."""

    exit_code = 2

    def __init__(self, path: str, message: str, *, line: int | None = None, sync: str | None = None) -> None:
        self.path = path
        self.line = line
        self.sync = sync
        self.detail = message
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {message}")


class WarehouseError(CanduSyncError):
    """The warehouse cannot be reached, or refuses the query."""


class WarehouseUnreachable(WarehouseError):
    """No connection to the warehouse: it may work again in a minute."""


class QueryCancelled(WarehouseError):
    """The query was ended from here: by a person, or by its limit of time."""


class ModelError(CanduSyncError):
    """A model's result lacks a column, or holds a type that Candu cannot take."""


class PreconditionFailed(ModelError):
    """A dbt model that a sync reads has no contract, or its tests did not pass, and the sync's YAML asks for it."""


class StateError(CanduSyncError):
    """The state cannot be read or written."""


class StateUnreachable(StateError):
    """The store of the state does not answer: it may work again in a minute."""


class DamagedState(StateError):
    """A file of the state is truncated, altered or missing. ``path`` names it."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(message)


class ForeignState(StateError):
    """The state folder was written in another format."""


class StaleChanges(StateError):
    """A staged change set belongs to a snapshot that is no longer the current one."""


class Claimed(StateError):
    """Another run is at work on this sync and partition.

    Attributes:
        perhaps_dead: that run gave no sign of life for longer than one that lives takes for it.
        free_in: the seconds until its claim can be taken over, if it gives none again; None: not known.
    """

    def __init__(self, message: str, *, perhaps_dead: bool = False, free_in: float | None = None) -> None:
        self.perhaps_dead = perhaps_dead
        self.free_in = free_in
        super().__init__(message)


class GuardTripped(CanduSyncError):
    """A guard stopped the run before anything was sent. ``guards`` are the names of those that did, like ``changed``,
    ``reasons`` has a sentence for each."""

    exit_code = 3

    def __init__(self, sync: str, reasons: list[str], guards: list[str]) -> None:
        self.reasons = reasons
        self.guards = guards
        which = "this guard" if len(guards) == 1 else "these guards"
        super().__init__(f"{sync}: stopped by a guard, nothing was sent: {'; '.join(reasons)}. Look at the plan; if "
                         f"this is what you want, run again with --allow {','.join(guards)}, which passes {which} and "
                         "no other, or with --force, which passes all")


class CanduError(CanduSyncError):
    """Candu's or Segment's answer, or its silence. ``status`` is the HTTP status, None when no answer came; ``reached``
    is False when the request cannot have arrived at all; ``reason`` is the message with as many words of the answer as
    are kept, and without the values that were sent; ``request`` is the number that the delivery gave to the request, or
    0."""

    def __init__(self, message: str, *, status: int | None = None, reached: bool = True, reason: str = "") -> None:
        self.request = 0
        self.status = status
        self.reached = reached
        self.reason = reason or message
        super().__init__(message)


class Unauthorized(CanduError):
    """401, or 403 to a harmless read too: the key is wrong or lacks rights; the whole run ends."""


class DestinationTrouble(CanduError):
    """The address, the account, the contract, or something in between: no row is to blame, and the run ends."""


class Refused(CanduError):
    """A permanent refusal of this request: sending it again unchanged cannot help."""


class Transient(CanduError):
    """Worth another try. ``retry_after`` is what Candu asked for, in seconds, None when it did not. ``late``: the
    answer did not come in time."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None,
                 reached: bool = True, reason: str = "", late: bool = False) -> None:
        self.retry_after = retry_after
        self.late = late
        super().__init__(message, status=status, reached=reached, reason=reason)
