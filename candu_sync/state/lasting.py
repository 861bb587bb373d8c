"""Whether a state outlives the container that a process runs in.

A run that finds no snapshot sends everything again. So a folder that goes with its container is refused where
containers last for one run, and named in a warning elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from candu_sync.errors import SettingsError
from candu_sync.state.state_url import take_apart

# What each sets in the environment of its containers.
ORCHESTRATORS = {
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
    "ECS_CONTAINER_METADATA_URI_V4": "Amazon ECS",
    "ECS_CONTAINER_METADATA_URI": "Amazon ECS",
    "CLOUD_RUN_JOB": "Cloud Run",
    "K_SERVICE": "Cloud Run",
}

# Files of Docker and Podman.
MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))

_INSTEAD = ("Set it to an object store (s3://bucket/prefix), or to the absolute path of a volume that is mounted in "
            "each container")


def check_lasting(url: str, *, launched_by: str = "") -> None:
    """Refuse a relative folder where each run has a container of its own.

    Args:
        url: ``CANDU_STATE_URL``.
        launched_by: what starts such a container for each run, for the message; empty: the environment says whether
            one does.

    Raises:
        SettingsError: the folder is relative, and goes with the container.

    Example:
        >>> check_lasting("/var/lib/candu_sync", launched_by="K8sRunLauncher")
        >>> check_lasting(".candu_sync", launched_by="K8sRunLauncher")
        Traceback (most recent call last):
        candu_sync.errors.SettingsError: CANDU_STATE_URL is .candu_sync, a relative folder, and K8sRunLauncher ...
    """
    by = launched_by or _orchestrator(os.environ)
    if by and _is_relative(url):
        raise SettingsError(f"CANDU_STATE_URL is {url}, a relative folder, and {by} gives each run a container of its "
                            "own: what was sent would be forgotten with it, and the next run would send everything "
                            f"again. {_INSTEAD}")


def short_lived(url: str) -> str | None:
    """A warning about a state that may go with its container; None: there is no sign of that."""
    by = _orchestrator(os.environ)
    if _is_relative(url):
        if not by and any(mark.exists() for mark in MARKS):
            return (f"CANDU_STATE_URL is {url}, a relative folder, and this is a container: what was sent is forgotten "
                    f"when the container is removed, and the next run then sends everything again. {_INSTEAD}")
    elif by and (folder := _folder(url)) is not None and _on_the_container_s_own(folder):
        return (f"CANDU_STATE_URL is {url}, and no volume is mounted there: what was sent is forgotten with this "
                f"container of {by}, and the next run then sends everything again. Mount a volume at {url}, or use an "
                "object store (s3://bucket/prefix)")
    return None


def _folder(url: str) -> Path | None:
    """The folder that a URL names; None: it is an object store, or none is known."""
    try:
        scheme, rest = take_apart(url)
        return None if scheme else Path(rest).expanduser()
    except (ValueError, RuntimeError):
        return None


def _is_relative(url: str) -> bool:
    folder = _folder(url)
    return folder is not None and not folder.is_absolute()


def _orchestrator(environment: Mapping[str, str]) -> str:
    return next((name for variable, name in ORCHESTRATORS.items() if environment.get(variable)), "")


def _on_the_container_s_own(folder: Path) -> bool:
    """Whether a folder, or the nearest one above it that is there, is on the file system of ``/``."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.stat().st_dev == Path("/").stat().st_dev
