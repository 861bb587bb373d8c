"""``{{ ref('dim_users') }}`` and ``{{ source('app', 'users') }}`` in models: resolved through dbt's manifest.

Only those two: no template is run. Comments and quoted text are left as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from candu_sync.dbt.manifest import Manifest, ManifestError, read_manifest
from candu_sync.dbt.nodes import Node
from candu_sync.errors import SpecError
from candu_sync.sql_text import blanked
from candu_sync.syncs import Catalog, Sync

__all__ = ["Call", "Resolved", "call_in", "call_of", "calls", "linked", "nodes_read", "reference", "resolve",
           "resolve_sync", "with_nodes"]

_OPENING = re.compile(r"\{[{%#]")
_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{[{%#]", re.DOTALL)
_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.DOTALL)

# Letters of a ref or a source: a package, a name and a version. Longer text is no such call.
_LONGEST_CALL = 1000

# dbt's adapters whose SQLAlchemy name is another one. That name says how the SQL is quoted.
_DIALECTS = {"postgres": "postgresql", "sqlserver": "mssql", "synapse": "mssql", "fabric": "mssql",
             "spark": "databricks"}


@dataclass(frozen=True)
class Call:
    """A ref or a source: ``words`` are its one or two names, ``version`` that of a ref, as text."""

    function: str
    words: tuple[str, ...]
    version: str | None = None

    def __str__(self) -> str:
        words = [f"'{word}'" for word in self.words] + ([f"v={self.version}"] if self.version else [])
        return f"{self.function}({', '.join(words)})"

    def node(self, manifest: Manifest) -> Node:
        """What it means. Raises ManifestError when that is not known."""
        if self.function == "source":
            return manifest.table(*self.words)
        *package, name = self.words
        return manifest.model(name, package[0] if package else None, self.version)


@dataclass(frozen=True)
class Resolved:
    """SQL for the warehouse, and the dbt nodes that it reads, each once."""

    sql: str
    nodes: tuple[Node, ...] = ()


def call_of(node: Node, manifest: Manifest) -> Call:
    """How the files of the dbt project itself refer to a node."""
    if node.source is not None:
        return Call("source", (node.source, node.name))
    package = () if node.package == manifest.project else (node.package,)
    return Call("ref", (*package, node.name), None if node.latest else node.version)


def reference(node: Node, manifest: Manifest) -> str:
    """A node in SQL: ``{{ ref('dim_users') }}``."""
    return f"{{{{ {call_of(node, manifest)} }}}}"


def calls(sql: str, *, path: str, sync: str | None = None, dialect: str = "") -> list[tuple[int, int, Call]]:
    """Every ref and source of the SQL: where it starts and ends, and what it says.

    Args:
        path, sync: the file and the sync, for the error.
        dialect: SQLAlchemy's name of it; it decides what is a comment and what is quoted.

    Raises:
        SpecError: the SQL has another template.
    """
    if not _OPENING.search(sql):
        return []
    found = []
    for block in _BLOCK.finditer(blanked(sql, dialect)):
        text = sql[block.start() : block.end()]
        call = call_in(text)
        if call is None:
            shown = " ".join(text.split())
            raise SpecError(path, f"{shown if len(shown) <= 60 else shown[:60] + '…'} is not run: of dbt's templates "
                            "only {{ ref('model') }} and {{ source('source', 'table') }} have a meaning in a sync; "
                            "put the rest into a dbt model", line=_line(sql, block.start()), sync=sync)
        found.append((block.start(), block.end(), call))
    return found


def call_in(text: str) -> Call | None:
    """What a template says, if it is a ref or a source. ``{{ ref('a', v=2) }}`` is, within its braces, an expression of
    Python's too."""
    block = _EXPRESSION.fullmatch(text)
    if block is None or len(text) > _LONGEST_CALL:
        return None
    try:
        tree = ast.parse(block[1].strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Deeply nested text makes Python raise one of the last two.
        return None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        return None
    words = [str(value) for value in _constants(tree.args) if isinstance(value, str)]
    versions = [str(value) for value in _constants([word.value for word in tree.keywords
                                                    if word.arg in ("v", "version")])]
    function = tree.func.id
    right = {"ref": len(words) in (1, 2) and len(versions) < 2, "source": len(words) == 2 and not versions}
    if len(words) != len(tree.args) or len(versions) != len(tree.keywords) or not right.get(function):
        return None
    return Call(function, tuple(words), versions[0] if versions else None)


def _constants(nodes: Sequence[ast.expr]) -> list[object]:
    return [node.value for node in nodes if isinstance(node, ast.Constant)]


def _line(sql: str, position: int) -> int:
    return sql.count("\n", 0, position) + 1


def resolve(sql: str, manifest: Path | None, *, path: str, sync: str | None = None) -> Resolved:
    """The SQL with each ref and source as the relation's name; other lines stay where they are.

    Args:
        manifest: ``CANDU_DBT_MANIFEST``; read only when the SQL has something of a template.
        path, sync: the file and the sync, for the error.

    Raises:
        SpecError: the manifest is missing or broken, has no such model or source, or the SQL holds another template.
    """
    if not _OPENING.search(sql):
        return Resolved(sql)
    known, trouble = _read(manifest)
    return _replaced(sql, known, trouble, lambda node: str(node.relation), path, sync)


def with_nodes(sql: str, manifest: Manifest, name: Callable[[Node], str], *, path: str, sync: str | None = None
               ) -> Resolved:
    """As ``resolve``, by a manifest that was read, with another name in the place of each node's relation."""
    return _replaced(sql, manifest, None, name, path, sync)


def _replaced(sql: str, known: Manifest | None, trouble: ManifestError | None, name: Callable[[Node], str], path: str,
              sync: str | None) -> Resolved:
    parts: list[str] = []
    nodes: dict[Node, None] = {}
    end = 0
    for start, stop, call in calls(sql, path=path, sync=sync, dialect=_dialect(known)):
        try:
            node = _there(call, known, trouble)
        except ManifestError as error:
            raise SpecError(path, f"{call}: {error}", line=_line(sql, start), sync=sync) from None
        nodes[node] = None
        parts += [sql[end:start], name(node), "\n" * sql.count("\n", start, stop)]
        end = stop
    return Resolved("".join([*parts, sql[end:]]), tuple(nodes))


def _read(path: Path | None) -> tuple[Manifest | None, ManifestError | None]:
    """The manifest, or what is wrong with it: SQL with braces in its comments only needs none."""
    try:
        return read_manifest(path), None
    except ManifestError as error:
        return None, error


def _dialect(manifest: Manifest | None) -> str:
    return _DIALECTS.get(manifest.adapter, manifest.adapter) if manifest else ""


def _there(call: Call, manifest: Manifest | None, trouble: ManifestError | None) -> Node:
    if manifest is None:
        raise trouble or ManifestError("there is no manifest")
    node = call.node(manifest)
    if node.relation is None:
        raise ManifestError("it is ephemeral: dbt builds nothing of it in the warehouse; materialize it as a view")
    return node


def resolve_sync(sync: Sync, manifest: Path | None) -> Resolved:
    """A sync's model, as SQL for the warehouse. Raises as ``resolve``."""
    path = f"{sync.path} ({sync.node})" if sync.node else str(sync.path)
    return resolve(sync.sql, manifest, path=path, sync=sync.name)


def linked(catalog: Catalog, manifest: Path | None) -> Catalog:
    """The catalog, with the dbt nodes that its models read among their ``deps``, and a model's name there as the key of
    its asset. A sync whose ref or source cannot be resolved becomes an error."""
    syncs: dict[str, Sync] = {}
    errors = list(catalog.errors)
    for name, sync in catalog.syncs.items():
        try:
            syncs[name] = sync.model_copy(update={"deps": tuple(dict.fromkeys(_deps(sync, manifest)))})
        except SpecError as error:
            errors.append(error)
    return replace(catalog, syncs=syncs, errors=tuple(sorted(errors, key=lambda error: error.path)))


def _deps(sync: Sync, manifest: Path | None) -> Iterator[str]:
    known, _ = _read(manifest)
    yield from (known.asset_key(dep) if known else dep for dep in sync.deps)
    yield from ("/".join(node.asset_key) for node in nodes_read(sync, manifest))


def nodes_read(sync: Sync, manifest: Path | None) -> tuple[Node, ...]:
    """The dbt nodes that a sync reads: its model, and the SQL that finds its partitions. Raises as ``resolve``."""
    nodes = resolve_sync(sync, manifest).nodes
    if sync.partitions is None or sync.partitions.values is None:
        return nodes
    values = resolve(sync.partitions.values, manifest, path=f"{sync.path} (partitions.values)", sync=sync.name)
    return tuple(dict.fromkeys((*nodes, *values.nodes)))
