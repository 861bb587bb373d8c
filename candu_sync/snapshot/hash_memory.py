"""What the last runs of a sync and partition learnt of the warehouse's row hashes: ``row_hashes.json`` in the state,
and the file of ``KnownRows`` that it names. Both may be lost: then all rows are read once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from candu_sync.snapshot.known_rows import KnownRows
from candu_sync.snapshot.learnt_rows import LearntRows
from candu_sync.state import PartitionState, remove_folder

_NAME = "row_hashes.json"
_FOLDER = "row_hashes/"

# Runs for which hashes are not tried at most, after they saved nothing several times in a row.
_LONGEST_REST = 31


@dataclass(frozen=True, kw_only=True)
class HashMemory:
    """What is remembered.

    Attributes:
        local: digest of all that the hashes depend on, as far as it is known without the warehouse.
        fingerprint: digest of that and of what the warehouse says.
        file: the name of the file of ``KnownRows`` in the state; None: there is none.
        version: the version of the snapshot that had every row as it was; empty: rows had changed.
        total: of all rows then, their number and the sums of their hashes.
        seconds: how long it took to read all rows, with their hashes.
        vain: for how many runs in a row hashes saved nothing.
        rest: for how many runs hashes are not tried.
        unsteady: whether they rest because two queries of one run gave different rows.

    Example:
        >>> memory = HashMemory(local="a", vain=2)
        >>> after = memory.after_lookup(vain=True)
        >>> after.vain, after.rest, after.after_lookup(vain=False).vain
        (3, 3, 0)
    """

    local: str
    fingerprint: str = ""
    file: str | None = None
    version: str = ""
    total: tuple[int, ...] | None = None
    seconds: float = 0.0
    vain: int = 0
    rest: int = 0
    unsteady: bool = False

    def of(self, fingerprint: str) -> HashMemory:
        """The memory by this fingerprint: a total that was remembered by another one is dropped. For those that
        remember no rows."""
        return self if self.fingerprint == fingerprint else replace(
            self, fingerprint=fingerprint, version="", total=None)

    def after_lookup(self, *, vain: bool) -> HashMemory:
        """After a run that looked hashes up. What is known then is old when the rest is over, and is not kept."""
        if not vain:
            return replace(self, vain=0, unsteady=False)
        rest = min(2**self.vain - 1, _LONGEST_REST)
        return replace(self, vain=self.vain + 1, rest=rest, file=None if rest else self.file)

    def after_disagreement(self) -> HashMemory:
        """After a run in which two queries gave different rows."""
        return replace(self, unsteady=True, total=None, rest=_LONGEST_REST)

    @classmethod
    def read(cls, state: PartitionState, local: str) -> HashMemory:
        """What is remembered; nothing, where something that the hashes depend on has changed."""
        body: dict[str, Any] = state.read_json(_NAME) or {}
        if body.get("local") != local:
            return cls(local=local)
        total = body.pop("total", None)
        try:
            return cls(**body, total=None if total is None else tuple(total))
        except TypeError:
            return cls(local=local)

    def known(self, state: PartitionState) -> KnownRows | None:
        """The rows that are known; None: none are."""
        path = None if self.file is None else state.store.local(self.file)
        return None if path is None else KnownRows.load(path, self.fingerprint)

    def write(self, state: PartitionState, run_id: str, learnt: LearntRows | None = None) -> None:
        """Remember it.

        Args:
            learnt: makes the rows that are known from now on; None: these are as before.

        Raises:
            StateError: the state cannot be written.
        """
        memory = self
        if learnt is not None:
            memory = replace(self, file=state.name(f"{_FOLDER}{run_id}.arrow"))
            folder = state.store.scratch()
            try:
                learnt.save(folder / "known.arrow", self.fingerprint)
                state.introduce()
                state.store.add(str(memory.file), folder / "known.arrow")
            finally:
                remove_folder(folder)
        state.write_json(_NAME, asdict(memory))
        if learnt is not None:
            _drop(state, keep=memory.file)


def forget_hashes(state: PartitionState) -> None:
    """Remove all that is remembered."""
    _drop(state)
    state.store.delete(state.name(_NAME))


def _drop(state: PartitionState, keep: str | None = None) -> None:
    for name in state.store.list(state.name(_FOLDER)):
        if name != keep:
            state.store.delete(name)
