"""Syncs that the components of a Dagster project declare, in its files ``defs.yaml``: the commands know them too.

    type: dagster_defs.CanduSync
    attributes: {name: users/profile, sql: profile.sql, payload: full}

Where the folder of syncs holds such a file, the components are its syncs, and other files are none. Of components for
several workspaces, those are taken that are for the one of the settings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

from candu_sync.errors import SpecError
from candu_sync.syncs import yaml_lines
from candu_sync.syncs.files import find_files, read_text
from candu_sync.syncs.spec import Kind
from candu_sync.syncs.spec_file import spec_of
from candu_sync.syncs.sync import Catalog, Sync, build_sync, is_name, load_syncs, read_model
from candu_sync.syncs.yaml_lines import YamlError
from candu_sync.workspaces import chosen_workspace

__all__ = ["FILE", "read_syncs"]

FILE = "defs.yaml"

_TYPE = re.compile(r"^type:\s*[\"']?dagster_defs(?:\.component)?\.(CanduSyncs?)[\"']?\s*$", re.MULTILINE)
_DOCUMENT = re.compile(r"^---.*$", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{\s*(?P<what>.*?)\s*\}\}")


def read_syncs(folder: Path) -> Catalog:
    """The syncs of a folder: those that components declare, or, without any, as ``load_syncs``. What is wrong with one
    costs that one.

    Raises:
        SettingsError: there is no such folder.

    Example:
        >>> list(read_syncs(Path("sql")).syncs)
        ['users/profile']
    """
    files = [path for path, _ in find_files(folder) if path.name == FILE and _declares(path)] if folder.is_dir() else []
    if not files:
        return load_syncs(folder)
    syncs: dict[str, Sync] = {}
    errors: list[SpecError] = []
    for path in files:
        for found in _declared(path):
            errors += found.errors
            for name, sync in found.syncs.items():
                if name in syncs:
                    errors.append(SpecError(str(path), f"{name} is declared in {syncs[name].path.parent} too; keep one",
                                            sync=name))
                else:
                    syncs[name] = sync
    order = get_args(Kind)
    in_order = sorted(syncs.values(), key=lambda sync: (order.index(sync.kind), sync.name))
    return Catalog({sync.name: sync for sync in in_order}, tuple(sorted(errors, key=lambda error: error.path)))


def _declares(path: Path) -> bool:
    try:
        return _TYPE.search(read_text(path, path.stem)) is not None
    except SpecError:
        return False


def _declared(path: Path) -> Iterator[Catalog]:
    """What each of a file's documents declares."""
    for document in _DOCUMENT.split(read_text(path, path.stem)):
        if (match := _TYPE.search(document)) is None:
            continue
        try:
            attributes = _attributes(document, path)
            workspace = attributes.pop("workspace", None)
            attributes.pop("resource_key", None)
            if (workspace or None) != chosen_workspace():
                continue
            if match[1] == "CanduSyncs":
                yield _folder(path, str(attributes.get("path", "sql")))
            else:
                sync = _sync(attributes, path)
                yield Catalog({sync.name: sync}, ())
        except SpecError as error:
            yield Catalog({}, (error,))


def _folder(path: Path, name: str) -> Catalog:
    models = path.parent / name
    if not models.is_dir():
        raise SpecError(str(path), f"path: there is no folder {models}; create it with users/, groups/ or events/ in "
                        "it")
    return load_syncs(models)


def _attributes(document: str, path: Path) -> dict[str, Any]:
    try:
        data, _ = yaml_lines.parse(document)
    except YamlError as error:
        raise SpecError(str(path), str(error)) from None
    found = data.get("attributes") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        return {}
    return {name: _filled_in(value, path) if isinstance(value, str) else value for name, value in found.items()}


def _filled_in(text: str, path: Path) -> str:
    """A text with ``{{ env.NAME }}`` filled in. Dagster knows more templates than that."""

    def value(match: re.Match[str]) -> str:
        scope, _, name = match["what"].partition(".")
        if scope != "env" or name not in os.environ:
            raise SpecError(str(path), f"{match[0]} is not filled in on the command line: it takes {{{{ env.NAME }}}} "
                            "of a variable that is set")
        return os.environ[name]

    return _TEMPLATE.sub(value, text)


def _sync(attributes: dict[str, Any], path: Path) -> Sync:
    settings = dict(attributes)
    name, sql = (str(settings.pop(key, "")) for key in ("name", "sql"))
    kind, *parts = name.split("/")
    if kind not in get_args(Kind) or not parts or not all(map(is_name, parts)):
        raise SpecError(str(path), f"name: {name!r} is not users, groups or events, a slash and a name of letters, "
                        "digits and _, like users/profile")
    if not sql:
        raise SpecError(str(path), "sql: name the file of the model, next to this one, like profile.sql", sync=name)
    model = path.parent / sql
    spec = spec_of(settings, cast(Kind, kind), path=str(path), sync=name, within="attributes")
    return build_sync(name, cast(Kind, kind), model, read_model(model, name), spec)
