"""``check --manifest``: the syncs by dbt's manifest alone, as text, JSON or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from candu_sync.cli.common import chosen, complain, finish, print_lines, say
from candu_sync.errors import UsageError
from candu_sync.naming import counted

if TYPE_CHECKING:
    from candu_sync.operate import Impact, ManifestCheck, SyncImpacts

MODIFIED = ("state:modified", "state:modified+")
"""Among the names of ``check --manifest``: the syncs that read a modified model, or what is made of one."""

_MARK = "<!-- candu-sync check --manifest -->"

_WORDS = {"breaks": "breaks", "resends": "sends rows again", "unknown": "not known", "ok": "ok"}

# GitHub takes 65,536 characters of a comment.
_MOST_LETTERS = 60_000


class FailOn(StrEnum):
    """What ends the command with 1; each with what is graver."""

    breaks = "breaks"
    resends = "resends"
    unknown = "unknown"


def check_manifest(names: list[str] | None, manifest: Path, against: Path | None, *, as_json: bool, github: bool,
                   fail_on: FailOn) -> None:
    """Check by the manifest, print the result, and end the command."""
    from candu_sync.dbt import load_catalog
    from candu_sync.operate import check_by_manifest, require_manifests
    from candu_sync.settings import load_settings

    if as_json and github:
        raise UsageError("--json or --github? Leave one of the two out")
    only_modified = any(name in MODIFIED for name in names or ())
    if only_modified and against is None:
        raise UsageError("state:modified needs --against FILE: the manifest that it is compared with")
    require_manifests(manifest, against)
    settings = load_settings()
    for warning in settings.warnings:
        if not warning.startswith("CANDU_STATE_URL"):  # the state is not looked at
            complain(warning)
    catalog = load_catalog(settings.sql_dir, manifest)
    syncs, errors = chosen(catalog, [name for name in names or () if name not in MODIFIED])
    found = check_by_manifest(catalog, syncs, manifest, against, only_modified=only_modified)
    if as_json:
        print_lines([one.to_json() for one in found.syncs])
    elif github:
        typer.echo(_comment(found, [str(error) for error in errors]))
    else:
        _print(found)
    finish([*(2 for _ in errors), *(1 for one in found.syncs if _fails(one, fail_on))])


def _fails(found: SyncImpacts, fail_on: FailOn) -> bool:
    graver = list(FailOn)[: list(FailOn).index(fail_on) + 1]
    return found.effect in graver


def _print(found: ManifestCheck) -> None:
    for one in found.syncs:
        say(f"{one.sync}: {_WORDS[one.effect]}")
        for impact in one.impacts:
            say(f"  {_said(impact, one)}")
    if found.against:
        listed = f": {', '.join(found.modified)}" if found.modified else ""
        say(f"{counted(len(found.modified), 'dbt node')} modified{listed}")


def _said(impact: Impact, one: SyncImpacts) -> str:
    """The sentence; with its effect, where that is not the sync's."""
    return impact.sentence if impact.effect == one.effect else f"{_WORDS[impact.effect]}: {impact.sentence}"


def _comment(found: ManifestCheck, errors: Sequence[str]) -> str:
    """Markdown. The first line is how a workflow finds the comment again."""
    touched = [one for one in found.syncs if one.effect != "ok"]
    lines = [_MARK, f"### candu-sync: {_headline(found)}", ""]
    if touched:
        lines += ["| sync | | what the change does |", "|---|---|---|"]
        lines += [f"| `{_plain(one.sync)}` | **{_WORDS[one.effect]}** | "
                  f"{'<br>'.join(_plain(_said(impact, one)) for impact in one.impacts)} |" for one in touched]
        lines.append("")
    lines += [f"- {_plain(error)}" for error in errors]
    others = len(found.syncs) - len(touched)
    lines.append(f"{counted(others, 'other sync')} {'is' if others == 1 else 'are'} not touched, as far as dbt's "
                 "manifest shows.")
    if found.modified:
        lines += ["", f"<details><summary>Modified in dbt: {len(found.modified)}</summary>", "",
                  _plain(", ".join(found.modified)), "", "</details>"]
    text = "\n".join(lines)
    if len(text) > _MOST_LETTERS:
        text = f"{text[:_MOST_LETTERS].rpartition(chr(10))[0]}\n\nand more: `candu-sync check --manifest …` lists all."
    return text


def _headline(found: ManifestCheck) -> str:
    counts = {effect: sum(one.effect == effect for one in found.syncs) for effect in ("breaks", "resends", "unknown")}
    parts = []
    if counts["breaks"]:
        parts.append(f"{counted(counts['breaks'], 'sync')} {'breaks' if counts['breaks'] == 1 else 'break'}")
    if counts["resends"]:
        parts.append(f"{counted(counts['resends'], 'sync')} {'sends' if counts['resends'] == 1 else 'send'} rows again")
    if counts["unknown"]:
        parts.append(f"{counted(counts['unknown'], 'sync')} not known")
    return ", ".join(parts) or "no sync is touched"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: no tag, no column of a table, nobody is notified."""
    shown = re.sub(r"([\\*|\[\]~])", r"\\\1", " ".join(text.split()))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@<!-- -->")
