"""Which kind each trait has when its values are of several kinds: JSON, SQLite, MariaDB's ``tinyint(1)``.

The kind must not depend on the order of the rows, which no warehouse promises. So the first rows are looked at before
any is passed on. The kind of a trait is the first of these that its values have:

1. what the snapshot has; the newest, where it has several,
2. what the column was declared as in the warehouse,
3. that of the first value.

`email` is always text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from candu_sync.rows.kinds import Trait, ValueKind


class TraitKinds:
    """The kinds of the traits of one result.

    Args:
        names: the traits' names.
        known: the snapshot's traits.
        declared: trait → the kind of its column in the warehouse.

    Attributes:
        kinds: the kinds, in the order of ``names``; ``EMPTY`` until ``decide`` has seen a value.

    Example:
        >>> kinds = TraitKinds(["seats"], [Trait("seats", ValueKind.NUMBER)], {})
        >>> kinds.see([ValueKind.TEXT]); kinds.in_doubt()
        True
        >>> kinds.see([ValueKind.NUMBER]); kinds.in_doubt()
        False
        >>> kinds.decide(); kinds.kinds
        [<ValueKind.NUMBER: 'number'>]
    """

    def __init__(self, names: Sequence[str], known: Iterable[Trait], declared: Mapping[str, ValueKind]) -> None:
        self.kinds = [ValueKind.EMPTY] * len(names)
        self._names = names
        self._seen: list[list[ValueKind]] = [[] for _ in names]
        self._wanted: dict[str, list[ValueKind]] = {name: [] for name in names}
        for trait in known:
            if trait.name in self._wanted:
                self._wanted[trait.name].insert(0, trait.kind)
        for name, kind in declared.items():
            self._wanted[name].append(kind)
        self._wanted |= {name: [ValueKind.TEXT] for name in names if name == "email"}

    def settle(self, trait: Trait) -> None:
        """Fix a trait's kind before any value of it is seen: rows that are not read here have such values."""
        if trait.name in self._names and (trait.name != "email" or trait.kind is ValueKind.TEXT):
            self.kinds[list(self._names).index(trait.name)] = trait.kind

    def see(self, kinds: Sequence[ValueKind]) -> None:
        """Take note of the kinds of some rows' values, in the order of the names."""
        for mine, seen, kind in zip(self.kinds, self._seen, kinds, strict=True):
            if mine is ValueKind.EMPTY and kind is not ValueKind.EMPTY:
                seen.append(kind)

    def in_doubt(self) -> bool:
        """Whether a trait has values, but none yet of the kind that it should have."""
        return any(seen and wanted and wanted[0] not in seen
                   for seen, wanted in zip(self._seen, self._wanted.values(), strict=True))

    def decide(self) -> None:
        """Settle the kinds of the traits that have had values."""
        for index, (name, seen) in enumerate(zip(self._names, self._seen, strict=True)):
            if seen:
                self.kinds[index] = self._kind(name, seen)
                seen.clear()

    def _kind(self, name: str, seen: list[ValueKind]) -> ValueKind:
        if name == "email":
            return ValueKind.TEXT
        return next((kind for kind in self._wanted[name] if kind in seen), seen[0])
