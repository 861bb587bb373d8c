"""A sync without a state, while the state has one that is no longer declared: it may have been renamed."""

from __future__ import annotations

from collections.abc import Collection

from candu_sync.state import State, holds_anything, orphans, read_last_run
from candu_sync.syncs import Sync


def find_predecessor(state: State, sync: Sync, declared: Collection[str]) -> str | None:
    """The name that a sync probably had; None: nothing speaks for a rename.

    It is the one whose last run had the same model. Where a state does not say which model it had, it is the only one
    of its kind that is no longer there.

    Args:
        declared: the names of all syncs of the project, with those whose files are wrong.

    Raises:
        StateError: the state cannot be read.
    """
    # On a disk, to look at all folders for each sync takes long. In an object store their list is there already.
    on_disk = state.store.folder is not None
    if on_disk and holds_anything(state, sync.name):
        return None
    models = {name: _model(state, name) for name in orphans(state, declared) if name.startswith(f"{sync.kind}/")}
    if not models or (not on_disk and holds_anything(state, sync.name)):
        return None
    same = [name for name, model in models.items() if model == sync.model_digest]
    if same:
        return same[0]
    return next(iter(models)) if list(models.values()) == [None] else None


def _model(state: State, name: str) -> str | None:
    """The digest of the model of a sync's newest run; None: it is not known."""
    runs = [read_last_run(state.of(name, key)) for key in state.partitions(name)]
    last = max((run for run in runs if run), key=lambda run: str(run.get("at")), default={})
    return last.get("model")


def renamed_perhaps(old: str, new: str, *, events: bool) -> str:
    """The sentence about a probable rename.

    Example:
        >>> renamed_perhaps("users/profile", "users/people", events=False)
        'nothing was sent for users/people yet, but for users/profile, which is no longer a sync: if it was renamed, \
run `candu-sync rename users/profile users/people` first'
    """
    twice = ", or Candu gets its events twice" if events else ""
    return (f"nothing was sent for {new} yet, but for {old}, which is no longer a sync: if it was renamed, "
            f"run `candu-sync rename {old} {new}` first{twice}")
