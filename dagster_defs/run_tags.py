"""The tags of a run: what the list of runs says of it, without a page having to be opened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from dagster import AssetExecutionContext

from candu_sync import RunResult
from candu_sync.errors import GuardTripped
from candu_sync.naming import named, shortened
from candu_sync.state import PartitionState, read_last_run
from dagster_defs.names import SYNC_TAG, Names

# What was sent, over all syncs and partitions of the run.
_COUNTS = {"accepted": "candu/accepted", "refused": "candu/refused", "waiting": "candu/waiting"}

# Why nothing was sent.
_STOPPED = "candu/stopped"
# The guards that were passed, and why.
_PASSED = "candu/guards_passed"
_LONGEST = 250


def tag_syncs(context: AssetExecutionContext, names: Names, sync: str, beside: Collection[str]) -> None:
    """Name the syncs in the list of runs. A job's runs have the tag already; others get it here, from their first
    sync for all that they are to run.

    Args:
        sync: the one that is run now.
        beside: the syncs of the project.
    """
    run, label = context.run, names.label(sync)
    if label in _listed(run.tags) or label in _tagged(run.run_id):
        return
    chosen = run.asset_selection or context.job_def.asset_layer.selected_asset_keys
    labels = [label, *(names.label(other) for other in beside
                       if names.push_key(other) in chosen or names.changes_key(other) in chosen)]
    before = _listed(_tags(context))
    if new := [each for each in dict.fromkeys(labels) if each not in before]:
        _add(context, {SYNC_TAG: ", ".join([*before, *new])})
    _tagged(run.run_id).update(before, new)


def _listed(tags: Mapping[str, str]) -> list[str]:
    return [name for name in tags.get(SYNC_TAG, "").split(", ") if name]


@lru_cache(maxsize=4)
def _tagged(_run_id: str) -> set[str]:
    """The labels that this process knows to be in a run's tag. Nobody takes one out."""
    return set()


def tag_counts(context: AssetExecutionContext, result: RunResult) -> None:
    """Add a push's counts to those of the run. A count of 0 makes no tag."""
    _add_counts(context, {name: getattr(result, name) for name in _COUNTS})


@contextmanager
def tag_cancelled(context: AssetExecutionContext, state: PartitionState) -> Iterator[None]:
    """When the push in the block is cancelled, add the counts of what it has committed, which the state has."""
    before = read_last_run(state)
    try:
        yield
    except Exception:
        raise
    except BaseException:
        if (last := read_last_run(state)) != before:
            _add_counts(context, {name: last.get(name, 0) for name in _COUNTS})
        raise


def _add_counts(context: AssetExecutionContext, counts: Mapping[str, int]) -> None:
    found = {tag: count for name, tag in _COUNTS.items() if (count := counts[name])}
    if found:
        before = _tags(context)
        _add(context, {tag: str(int(before.get(tag, "0")) + count) for tag, count in found.items()})


def tag_passed(context: AssetExecutionContext, sync: str, guards: str, why: str) -> None:
    """Say which guards of a sync a person passed, and why; nothing for no guard. ``sync``: its label."""
    if guards:
        _add_words(context, _PASSED, f"{sync}: {guards} ({why})")


def tag_stopped(context: AssetExecutionContext, sync: str, partition: str | None, by: GuardTripped) -> None:
    """Say which guards stopped a sync and partition, with their figures. ``sync``: its label."""
    _add_words(context, _STOPPED, f"{named(sync, partition)}: {'; '.join(by.reasons)}")


def _add_words(context: AssetExecutionContext, tag: str, words: str) -> None:
    """Add words to those that another sync or partition of the run has put there."""
    before = _tags(context).get(tag, "")
    if words not in before:
        _add(context, {tag: shortened(f"{before}; {words}" if before else words, _LONGEST)})


def _tags(context: AssetExecutionContext) -> dict[str, str]:
    # Not ``context.run``, which is as it was when the run began.
    run = context.instance.get_run_by_id(context.run_id)
    return dict(run.tags) if run else {}


def _add(context: AssetExecutionContext, tags: dict[str, str]) -> None:
    context.instance.add_run_tags(context.run_id, tags)
