"""The SQL of a dbt model as a query of sqlglot's, in which each dbt node has one name in all manifests of the project.

A model's text is taken without its templates where those are only refs, sources, its config and the filter of an
incremental run. Else what dbt compiled is taken, where the manifest has it.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from candu_sync.dbt.manifest import Manifest, ManifestError
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.references import call_in

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["NodeNames", "dialect_of", "incremental_filters", "is_query", "parsed", "placed_name", "query_of",
           "with_names"]

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_INCREMENTAL = re.compile(r"\{%[-+]?\s*if\s+is_incremental\(\s*\)\s*[-+]?%\}(?:(?!\{%).)*\{%[-+]?\s*endif\s*[-+]?%\}",
                          re.DOTALL)
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_CONFIG = re.compile(r"\{\{[-+]?\s*config\(.*\)\s*[-+]?\}\}", re.DOTALL)
_TEMPLATE = re.compile(r"\{[{%#]")

_PREFIX = "candu_node_"

# dbt's adapters that have another name in sqlglot.
_DIALECTS = {"sqlserver": "tsql", "synapse": "tsql", "glue": "spark"}


def dialect_of(manifest: Manifest) -> str:
    """sqlglot's name of the warehouse's dialect; "": sqlglot does not know it, and reads what all have in common."""
    with warnings.catch_warnings():
        # sqlglot imports an extension that is deprecated, where dagster-dbt has installed it.
        warnings.simplefilter("ignore")
        from sqlglot import Dialect

    name = _DIALECTS.get(manifest.adapter, manifest.adapter)
    return name if name and Dialect.get(name) else ""


def query_of(node: Node, manifest: Manifest) -> exp.Expr | None:
    """A model's or a snapshot's query; None: its text cannot be read without running its templates."""
    text = with_names(node.code, manifest)
    query = None if text is None else parsed(text, dialect_of(manifest))
    if query is None and node.compiled is not None:
        query = parsed(node.compiled, dialect_of(manifest))
    return query


def with_names(code: str, manifest: Manifest) -> str | None:
    """SQL with each ref and source as a name for the node; None: it has another template, or one that means nothing."""
    text = _INCREMENTAL.sub(" ", _COMMENT.sub(" ", code))
    parts: list[str] = []
    end = 0
    for found in _EXPRESSION.finditer(text):
        call = call_in(found[0])
        if call is None and not _CONFIG.fullmatch(found[0]):
            return None
        try:
            name = placed_name(call.node(manifest), dialect_of(manifest)) if call else ""
        except ManifestError:
            return None
        parts += [text[end : found.start()], name]
        end = found.end()
    whole = "".join([*parts, text[end:]])
    return None if _TEMPLATE.search(whole) else whole


def incremental_filters(node: Node) -> str:
    """The parts of a model's text that hold for an incremental run only, white space aside."""
    return " ".join(" ".join(_INCREMENTAL.findall(node.code)).split())


def is_query(query: exp.Expr) -> bool:
    """Whether it is one; else sqlglot has taken the text for another statement."""
    from sqlglot import exp

    return isinstance(query.unnest(), exp.Query)


def parsed(sql: str, dialect: str) -> exp.Expr | None:
    """SQL as sqlglot reads it; None: it cannot. What is returned is kept: it must not be changed."""
    try:
        return _parsed(sql, dialect)
    except Exception:
        # What sqlglot does not know of a dialect raises errors of many types.
        return None


@lru_cache(maxsize=512)
def _parsed(sql: str, dialect: str) -> exp.Expr:
    with warnings.catch_warnings():
        # sqlglot imports an extension that is deprecated, where dagster-dbt has installed it.
        warnings.simplefilter("ignore")
        from sqlglot import parse_one
    return parse_one(sql, dialect=dialect)


class NodeNames:
    """The nodes of a manifest by the names that tables have in SQL."""

    def __init__(self, manifest: Manifest) -> None:
        self._placed = {_schema(node): node for node in manifest.nodes}
        self._relations: dict[tuple[str, ...], list[Node]] = {}
        dialect = dialect_of(manifest)
        for node in manifest.nodes:
            parts = _parts(node, dialect)
            for start in range(len(parts)):
                self._relations.setdefault(parts[start:], []).append(node)

    def find(self, table: exp.Table) -> Node | None:
        """The node that a table is: by its placed name, or by its relation or the end of that. None: the manifest has
        none, or several."""
        parts = tuple(part.name.casefold() for part in table.parts)
        found = self._relations.get(parts, [])
        return self._placed.get(table.db.casefold()) or (found[0] if len(found) == 1 else None)


def placed_name(node: Node, dialect: str) -> str:
    """The name of a node in the SQL of ``with_names``. Its last part is that of the relation: SQL may name a column by
    it (``dim_users.plan``)."""
    from sqlglot import exp

    last = (_parts(node, dialect) or (node.name,))[-1]
    return f"{_schema(node)}.{exp.to_identifier(last, quoted=not last.isidentifier()).sql(dialect=dialect)}"


def _schema(node: Node) -> str:
    return _PREFIX + re.sub(r"\W", "_", node.id).casefold()


def _parts(node: Node, dialect: str) -> tuple[str, ...]:
    """The parts of a node's relation; none where there is no relation, or it is a function that reads files."""
    from sqlglot import exp

    try:
        return tuple(part.name.casefold() for part in exp.to_table(node.relation or "", dialect=dialect).parts)
    except Exception:
        # sqlglot's own errors are of many types.
        return ()
