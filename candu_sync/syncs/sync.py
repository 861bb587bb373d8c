"""What the files under ``sql/`` declare: a sync for each SQL file, its kind from the folder, settings from the YAML.

    sql/users/profile.sql     a sync of users named users/profile
    sql/users/profile.yaml    its settings (or .yml); optional

Folders may be nested (``sql/users/eu/profile.sql`` is ``users/eu/profile``). Files and folders whose name starts with
``.`` or ``_`` are ignored. One bad file is one error; the other syncs load.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from candu_sync.errors import SettingsError, SpecError
from candu_sync.suggestions import nearest
from candu_sync.syncs.constraints import full_key, message_columns
from candu_sync.syncs.files import MODEL, SETTINGS, find_files, read_text
from candu_sync.syncs.spec import Kind, Spec
from candu_sync.syncs.spec_file import read_spec

__all__ = ["KINDS", "Catalog", "Sync", "build_sync", "is_name", "load_syncs", "read_model"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The folders of ``sql/``, in the order in which their rows are sent."""

_NAME = re.compile(r"[A-Za-z0-9_]+")
_LEADING_COMMENT = re.compile(r"\s*(?:--(?P<line>[^\n]*)(?:\n|\Z)|/\*(?P<block>.*?)\*/)", re.DOTALL)


class Sync(Spec):
    """A model with its settings. The settings of ``Spec`` are attributes of the sync, defaults filled in."""

    name: str
    """The path under ``sql/`` without ``.sql``: ``users/profile``."""
    kind: Kind
    path: Path
    """The .sql file; of a sync that a dbt model declares, the model's file, which may not be on this machine."""
    node: str | None = None
    """dbt's id of the node that declares the sync in its meta (``model.shop.dim_users``); None: a SQL file does."""
    sql: str
    """The model's text, without a semicolon or white space at its end."""
    key: tuple[str, ...]
    """The columns that identify a row: never empty, the message's ids among them (see ``constraints.full_key``)."""

    @property
    def message_columns(self) -> tuple[str, ...]:
        """The columns that a message carries outside its traits or properties; all others are traits."""
        return message_columns(self.kind, self.key)

    @property
    def shard_column(self) -> str:
        """The column whose hash says in which shard a row is. All rows of a user, or of a group, are in one; and so are
        all events with the same key, so that a repeated one is found."""
        return {"users": "user_id", "groups": "group_id", "events": self.key[0]}[self.kind]

    @property
    def clock(self) -> str | None:
        """The column of the result that the bounds of a run are compared with: the cursor's, or an event's time."""
        if self.cursor is not None:
            return self.cursor.column
        return "timestamp" if self.kind == "events" else None

    def report_schema(self, default: str | None) -> str | None:
        """The schema of the tables that take the sync's runs; None: none does.

        Args:
            default: that of the settings.
        """
        if self.report == "none":
            return None
        return default if self.report is None else self.report["schema"]

    @property
    def model_digest(self) -> str:
        """The SHA-256 of the model's text, in hexadecimal digits: it shows that a sync was renamed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that the model's result must have."""
        cursor = (self.cursor.column,) if self.cursor else ()
        return tuple(dict.fromkeys((*self.message_columns, *self.key, *cursor)))


@dataclass(frozen=True)
class Catalog:
    """``syncs`` by name, in the order of kind and name, and one error for each file that is no sync."""

    syncs: dict[str, Sync]
    errors: tuple[SpecError, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of all syncs, also of those whose files are wrong."""
        return frozenset({*self.syncs, *(error.sync for error in self.errors if error.sync)})

    @property
    def complete(self) -> bool:
        """Whether all names are known: an error without a name may hide syncs."""
        return all(error.sync for error in self.errors)


def load_syncs(folder: Path) -> Catalog:
    """Every sync under ``folder``. A file that is wrong is an error in the catalog, and the others load.

    Raises:
        SettingsError: there is no such folder.

    Example:
        >>> catalog = load_syncs(Path("sql"))
        >>> list(catalog.syncs), catalog.errors
        (['users/profile'], ())
        >>> catalog.syncs["users/profile"].required_columns
        ('user_id',)
    """
    if not folder.is_dir():
        raise SettingsError(f"CANDU_SQL_DIR: there is no folder {folder}; create it with users/, groups/ or events/ in "
                            "it, or point CANDU_SQL_DIR at the folder that has them")
    found = list(find_files(folder))
    models = sorted(path for path, wrong in found if wrong is None and path.suffix.lower() in MODEL)
    settings = sorted(path for path, wrong in found if wrong is None and path.suffix.lower() in SETTINGS)
    errors = [SpecError(str(path), wrong, sync=_name(folder, path)) for path, wrong in found if wrong is not None]
    errors += [*_clashes(folder, models), *_orphans(folder, models, settings)]
    clashing = {error.path for error in errors}
    beside: dict[Path, list[Path]] = defaultdict(list)
    for path in settings:
        beside[_stem(path)].append(path)
    syncs: list[Sync] = []
    for path in models:
        if str(path) in clashing:
            continue
        try:
            syncs.append(_load(folder, path, beside[_stem(path)]))
        except SpecError as error:
            errors.append(error)
    syncs.sort(key=lambda sync: (KINDS.index(sync.kind), sync.name))
    return Catalog({sync.name: sync for sync in syncs}, tuple(sorted(errors, key=lambda error: error.path)))


def _stem(path: Path) -> Path:
    return path.with_suffix("")


def _name(folder: Path, path: Path) -> str:
    return _stem(path).relative_to(folder).as_posix()


def _clashes(folder: Path, models: list[Path]) -> Iterator[SpecError]:
    """In state folders and object stores, two names that differ by case may be one."""
    alike: dict[str, list[Path]] = defaultdict(list)
    for path in models:
        alike[_name(folder, path).casefold()].append(path)
    for paths in alike.values():
        for path in paths if len(paths) > 1 else ():
            others = ", ".join(str(other) for other in paths if other != path)
            yield SpecError(str(path), f"its name differs from {others} by upper and lower case only; rename one",
                            sync=_name(folder, path))


def _orphans(folder: Path, models: list[Path], settings: list[Path]) -> Iterator[SpecError]:
    stems = {_stem(path): path for path in models}
    for path in settings:
        if _stem(path) not in stems:
            close = nearest(_name(folder, path), (_name(folder, model) for model in models))
            yield SpecError(str(path), f"there is no {path.stem}.sql next to these settings; add it, or remove the file"
                            + (f" (did you mean the settings of {close}?)" if close else ""),
                            sync=_name(folder, path))


def _load(folder: Path, path: Path, settings: list[Path]) -> Sync:
    name = _name(folder, path)
    kind = _kind(folder, path, name)
    model = read_model(path, name)
    if len(settings) > 1:
        raise SpecError(str(settings[0]), f"{settings[1].name} is next to it; keep one of the two", sync=name)
    spec = Spec()
    if settings:
        spec = read_spec(read_text(settings[0], name), kind, path=str(settings[0]), sync=name)
    return build_sync(name, kind, path, model, spec)


def build_sync(name: str, kind: Kind, path: Path, model: tuple[str, str], spec: Spec, *,
               node: str | None = None) -> Sync:
    """The sync of a model, as ``read_model`` gives it, and its settings, whose defaults depend on the kind.

    Args:
        node: the dbt node that declares it, if one does.
    """
    comment, sql = model
    guard = spec.guard
    if kind == "events" and "min_rows" not in guard.model_fields_set:
        guard = guard.model_copy(update={"min_rows": 0})
    return Sync.model_validate({
        **{setting: getattr(spec, setting) for setting in Spec.model_fields},
        "name": name, "kind": kind, "path": path, "node": node, "sql": sql, "guard": guard,
        "description": spec.description.strip() or comment, "key": full_key(kind, spec.key)})


def read_model(path: Path, sync: str) -> tuple[str, str]:
    """The comment that a SQL file starts with, as plain lines, and its SQL.

    Raises:
        SpecError: it cannot be read, is too large, is not UTF-8, or holds no SQL.
    """
    return _model(read_text(path, sync), path, sync)


def is_name(part: str) -> bool:
    """Whether a text can be a part of a sync's name, which has slashes between its parts."""
    return _NAME.fullmatch(part) is not None


def _kind(folder: Path, path: Path, name: str) -> Kind:
    first, *rest = name.split("/")
    for kind in KINDS:
        if first == kind and rest:
            break
    else:
        raise SpecError(str(path), _misplaced(folder, first, rest), sync=name)
    wrong = [part for part in rest if not is_name(part)]
    if wrong:
        raise SpecError(str(path), f"the name {wrong[0]!r} may hold the letters A to Z, digits and _ only; rename it",
                        sync=name)
    return kind


def _misplaced(folder: Path, first: str, rest: list[str]) -> str:
    choices = f"{', '.join(f'{folder / kind}' for kind in KINDS)}"
    if not rest:
        return f"the folder says what a model is of; move it to one of {choices}"
    close = nearest(first, KINDS, cutoff=0.0)
    return f"{folder / first} is not a kind of sync; did you mean {folder / str(close)}? (known: {choices})"


def _model(text: str, path: Path, sync: str) -> tuple[str, str]:
    """The comment that the text starts with, as plain lines, and the model. Raises SpecError when there is no SQL."""
    sql = re.sub(r"[;\s]+\Z", "", text)
    comment: list[str] = []
    end = 0
    while match := _LEADING_COMMENT.match(sql, end):
        lines = match["block"].splitlines() if match["line"] is None else [match["line"]]
        comment += [line.strip().removeprefix("*").strip() for line in lines]
        end = match.end()
    if not sql[end:].strip(" \t\r\n;"):
        raise SpecError(str(path), "holds no SQL; write the query whose rows are to be sent", sync=sync)
    return "\n".join(comment).strip(), sql
