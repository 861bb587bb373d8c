"""What differs between two manifests of a dbt project: which nodes were modified, and which of them others read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from candu_sync.dbt.manifest import Manifest
from candu_sync.dbt.nodes import Node

__all__ = ["ancestors", "modified"]


def modified(old: Manifest, new: Manifest) -> frozenset[str]:
    """The ids of the nodes of ``new`` that are not as in ``old``: new ones, and those whose file, contract, described
    types, keys or macros differ. As dbt's ``state:modified`` has it, a comment counts."""
    macros = _changed_macros(old, new)
    return frozenset(node.id for node in new.nodes
                     if _differs(old.by_id.get(node.id), node) or not macros.isdisjoint(node.macros))


def _differs(old: Node | None, new: Node) -> bool:
    return old is None or _compared(old) != _compared(new)


def _compared(node: Node) -> tuple[object, ...]:
    types = tuple(sorted(node.types.items())) if node.contract else ()
    return node.checksum, node.code, node.contract, types, node.unique_key, node.materialized, node.language


def _changed_macros(old: Manifest, new: Manifest) -> set[str]:
    """The macros that differ, and those that use one of them."""
    found = {name for name, macro in new.macros.items()
             if name not in old.macros or old.macros[name].text != macro.text}
    while more := {name for name, macro in new.macros.items() if not found.isdisjoint(macro.macros)} - found:
        found |= more
    return found


def ancestors(nodes: Iterable[Node], manifest: Manifest) -> Iterator[Node]:
    """The nodes, and all that they are made of, each once."""
    seen: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop(0)
        if node.id not in seen:
            seen.add(node.id)
            yield node
            waiting += [manifest.by_id[parent] for parent in node.parents if parent in manifest.by_id]
