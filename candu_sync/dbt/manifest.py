"""What a dbt project's manifest says about its models and sources: their names, and their relations in the warehouse.

The manifest is ``target/manifest.json``, which ``dbt parse``, ``dbt build`` and others write
(https://docs.getdbt.com/reference/artifacts/manifest-json). Only what is needed here is kept of it.
"""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import orjson

from candu_sync.dbt.nodes import Macro, Node, Test, data_test_of, macro_of, node_of, text
from candu_sync.suggestions import nearest

__all__ = ["Manifest", "ManifestError", "read_manifest"]

_REFABLE = ("model", "seed", "snapshot")

# The packages of dbt's own macros, besides the adapter's: they differ from version to version.
_OF_DBT = ("dbt", "dbt_postgres", "dbt_spark")

_WRITES = "`dbt parse` writes it, into the folder target of the dbt project"


class ManifestError(Exception):
    """There is no manifest to read, or it has no such model or source. A SpecError adds the file and the line."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The models and sources of a project and of its packages.

    Attributes:
        project: the project's name.
        adapter: dbt's name of the warehouse's kind, like ``postgres``.
        nodes: all that a ref or a source can mean.
        disabled: the names of models that are disabled.
        tests: the data tests.
        macros: the project's macros and those of its packages, dbt's own aside, by id.
    """

    project: str
    adapter: str
    nodes: tuple[Node, ...]
    disabled: frozenset[str]
    tests: tuple[Test, ...]
    macros: Mapping[str, Macro]

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """dbt's ``unique_id`` → the node."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def _models(self) -> dict[str, list[Node]]:
        return _by_name(node for node in self.nodes if node.source is None)

    @cached_property
    def _tables(self) -> dict[str, list[Node]]:
        return _by_name(node for node in self.nodes if node.source is not None)

    @cached_property
    def _keys(self) -> set[tuple[str, ...]]:
        return {node.asset_key for node in self.nodes}

    def model(self, name: str, package: str | None = None, version: str | None = None) -> Node:
        """What ``ref(name)`` means. The project's own model has priority over a package's.

        Raises:
            ManifestError: there is none, or several could be meant.
        """
        named = [node for node in self._models.get(name, ()) if package in (None, node.package)]
        if not named:
            raise ManifestError(self._no_model(name, package))
        found = [node for node in named if (node.version == version if version else node.latest)]
        found = [node for node in found if node.package == self.project] or found
        if len(found) != 1:
            raise ManifestError(_several(name, found) if found else f"the dbt model {name} has no version {version}")
        return found[0]

    def table(self, source: str, name: str) -> Node:
        """What ``source(source, name)`` means.

        Raises:
            ManifestError: there is none, or several could be meant.
        """
        named = [node for node in self._tables.get(name, ()) if node.source == source]
        found = [node for node in named if node.package == self.project] or named
        if len(found) > 1:
            raise ManifestError(_several(f"{source}.{name}", found))
        if not found:
            known = (f"{node.source}.{node.name}" for nodes in self._tables.values() for node in nodes)
            raise ManifestError(f"dbt has no source {source}.{name}{_or(f'{source}.{name}', known)}")
        return found[0]

    def asset_key(self, dependency: str) -> str:
        """The asset key that an entry of ``deps`` means: a model's name for its asset, any other text for itself."""
        if tuple(dependency.split("/")) in self._keys or dependency not in self._models:
            return dependency
        try:
            return "/".join(self.model(dependency).asset_key)
        except ManifestError:
            return dependency

    def _no_model(self, name: str, package: str | None) -> str:
        if name in self.disabled:
            return f"the dbt model {name} is disabled"
        packages = {node.package for node in self.nodes}
        if package is not None and package not in packages:
            return f"dbt has no package {package}{_or(package, packages)}"
        within = f" in the package {package}" if package else ""
        return f"dbt has no model {name}{within}{_or(name, self._models)}"


def _by_name(nodes: Iterator[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        found[node.name].append(node)
    return found


def _several(name: str, found: list[Node]) -> str:
    packages = ", ".join(node.package for node in found)
    return f"several dbt packages have a {name}: {packages}; name the one that is meant, as in ref('package', 'model')"


def _or(word: str, known: Any) -> str:
    close = nearest(word, known)
    return f"; did you mean {close}?" if close else "; if it is new, let `dbt parse` write the manifest again"


def read_manifest(path: Path | None, *, given_as: str = "CANDU_DBT_MANIFEST") -> Manifest:
    """The manifest. It is kept in memory until the file changes.

    Args:
        given_as: the setting or the option that the path is of, for the error.

    Raises:
        ManifestError: there is none, or the file is not a manifest.
    """
    if path is None:
        raise ManifestError(f"{given_as} is not set; put the path of dbt's target/manifest.json there")
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ManifestError(f"{given_as}: {path} is not a file; {_WRITES}")
        return _read(path, about.st_mtime_ns, about.st_size)
    except OSError as error:
        raise ManifestError(f"{given_as}: {path} cannot be read ({error.strerror}); {_WRITES}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ManifestError(f"{given_as}: {path} is not a manifest of dbt's, or not a whole one; {_WRITES}") from None


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, _size: int) -> Manifest:
    return _manifest(orjson.loads(path.read_bytes()))


def _manifest(body: Mapping[str, Any]) -> Manifest:
    models = [node for node in body["nodes"].values() if node["resource_type"] in _REFABLE]
    nodes = tuple(node_of(properties) for properties in (*models, *body["sources"].values()))
    tests = tuple(data_test_of(node) for node in body["nodes"].values() if node["resource_type"] == "test")
    disabled = frozenset(text(node["name"]) for nodes in (body.get("disabled") or {}).values() for node in nodes)
    metadata = body["metadata"]
    adapter = text(metadata.get("adapter_type") or "")
    macros = {name: macro_of(macro) for name, macro in (body.get("macros") or {}).items()
              if macro["package_name"] not in (*_OF_DBT, f"dbt_{adapter}")}
    return Manifest(project=text(metadata.get("project_name") or ""), adapter=adapter, nodes=nodes, disabled=disabled,
                    tests=tests, macros=macros)
