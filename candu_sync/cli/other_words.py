"""What other tools call our commands and options: a person who types those words gets ours."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from candu_sync.errors import UsageError
from candu_sync.suggestions import did_you_mean

_COMMANDS = {
    "preview": "plan", "diff": "plan", "dry-run": "plan", "sync": "run", "apply": "run", "start": "run",
    "trigger": "run", "build": "run", "backfill": "run --partition KEY", "test": "check", "validate": "check",
    "debug": "check", "ls": "list", "errors": "rejected", "failed": "rejected", "retry": "rejected SYNC --retry",
    "state": "status", "full-refresh": "run --full", "move": "rename", "mv": "rename", "version": "--version",
}

_OPTIONS = {
    "--dry-run": "use `candu-sync plan SYNC`, which sends nothing", "--preview": "use `candu-sync plan SYNC`",
    "--check": "use `candu-sync check SYNC`", "--full-refresh": "use --full", "--full-sync": "use --full",
    "--limit": "use --sample N on `run`", "--select": "write the names of syncs without it",
    "--models": "write the names of syncs without it", "--model": "write the names of syncs without it",
    "--sync": "write the names of syncs without it", "--yes": "it is for `reset --all` only",
    "--schedule": "a schedule is `automation` in the sync's YAML, and runs in Dagster",
    "--verbose": "there is one level of detail; `status` and `rejected` say more",
    "--concurrency": "set CANDU_CONCURRENCY", "--threads": "set CANDU_CONCURRENCY", "--rate": "set CANDU_RATE",
    "--batch-size": "set CANDU_BATCH_SIZE", "--project-dir": "change into the folder, or set CANDU_SQL_DIR",
    "--state": "set CANDU_STATE_URL", "--retry": "use `candu-sync rejected SYNC --retry`",
    "--format": "use --json", "--output-format": "use --json",
}


class Commands(TyperGroup):
    """The group of our commands, which knows the words of other tools."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word.

        Raises:
            UsageError: a word is another tool's, or is like one of our commands.
        """
        name, *rest = args
        command = self.get_command(ctx, name)
        if command is None:
            raise UsageError(f"there is no command {name}{_meant(name, list(self.commands))}")
        ours = {option for parameter in command.params for option in parameter.opts}
        for word in rest[: rest.index("--")] if "--" in rest else rest:
            option = word.partition("=")[0]
            if option in _OPTIONS and option not in ours:
                raise UsageError(f"{name} has no option {option}: {_OPTIONS[option]}")
        return super().resolve_command(ctx, args)


def _meant(name: str, commands: list[str]) -> str:
    if name.lower() in _COMMANDS:
        return f"; use `candu-sync {_COMMANDS[name.lower()]}`"
    return did_you_mean(name, commands) or f" (there are: {', '.join(commands)})"
