"""The commands by name. The module of a command is loaded when that command is called: `--help` loads none of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from candu_sync.errors import UsageError

# Command → its module, its function there, and the first sentence of the function's docstring.
COMMANDS = {
    "list": ("looking", "list_syncs", "The syncs, their kinds, partitions, schedules, tags, last run."),
    "init": ("starting", "init", "A project to begin with: settings, an example of a sync, a check for pull requests. "
                                 "No file is overwritten."),
    "check": ("looking", "check", "Every model against the warehouse without reading its rows; types, names, traits "
                                  "sent twice; the key."),
    "plan": ("planning", "plan", "What a run would send, and why. Sends nothing, changes nothing that a run would "
                                 "see."),
    "run": ("sending", "run", "Plan, guard, push, commit."),
    "push": ("pushing", "push", "Send what `plan --save` staged: that and nothing else. It is refused where the "
                                "snapshot has moved on since."),
    "baseline": ("sending", "baseline", "Take today's result as already sent: nothing is pushed."),
    "reset": ("sending", "reset", "Forget what was sent: the next run sends everything."),
    "rename": ("renaming", "rename", "Move what was sent to another name, after a sync's file was renamed. Sends "
                                     "nothing."),
    "reshard": ("resharding", "reshard", "Move what was sent to another number of shards, after the YAML was changed. "
                                         "Sends nothing."),
    "status": ("status", "status", "For each sync and partition: last run, rows, what is invalid, refused or waiting, "
                                   "and why the last run failed."),
    "history": ("history", "history", "What Candu was sent, row by row: when, by which run, what became of it, and "
                                      "why. Newest first."),
    "rejected": ("looking", "rejected", "The rows that were not accepted: invalid and refused, with the reason."),
    "snippet": ("snippet", "snippet", "The Candu.init call of a user, with the traits that Candu accepted. They are "
                                      "personal data."),
    "forget": ("forgetting", "forget", "Remove a person from the state and the history of all syncs; the id is not "
                                       "sent or stored again."),
    "doctor": ("doctoring", "doctor", "Find out on a real workspace, with a test user, what Candu does not publish; "
                                      "the settings follow in .env."),
    "exposures": ("dbt", "exposures", "The syncs as dbt exposures: a YAML file for the dbt project."),
    "simulate": ("serving", "simulate", "A stand-in for Candu on this machine, with a page that shows what it holds."),
    "demo": ("serving", "demo", "The whole story on made-up data, in a few seconds."),
}


class Commands(TyperGroup):
    """The group of our commands. It has their names and first sentences, which is all that `--help` needs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, (_, _, sentence) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=sentence, rich_markup_mode=self.rich_markup_mode)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word, loaded.

        Raises:
            UsageError: a word is another tool's, or is like one of our commands.
        """
        from candu_sync.cli.other_words import meant, refuse_options

        name, *rest = args
        if name not in self.commands:
            raise UsageError(f"there is no command {name}{meant(name, list(self.commands))}")
        command = self.commands[name] = load(name)
        refuse_options(name, command, rest)
        return super().resolve_command(ctx, args)


def load(name: str) -> TyperCommand:
    """The command of this name with its options; its module is imported.

    Example:
        >>> [parameter.name for parameter in load("exposures").params]
        ['output']
    """
    module, function, _ = COMMANDS[name]
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(import_module(f"candu_sync.cli.{module}"), function))
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)
    return command
