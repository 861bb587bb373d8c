"""What other tools call our commands and options: a person who types those words gets ours."""

from __future__ import annotations

import re

from typer.core import TyperCommand

from candu_sync.errors import UsageError
from candu_sync.suggestions import did_you_mean

# Word → our command.
_COMMANDS = {
    **dict.fromkeys(("preview", "diff", "dry-run", "compare", "show", "compile"), "plan"),
    **dict.fromkeys(("sync", "apply", "start", "trigger", "build", "execute", "exec", "materialize", "upload", "launch",
                     "deploy", "send"), "run"),
    **dict.fromkeys(("full-refresh", "full-sync", "resync", "resend"), "run SYNC --full"),
    **dict.fromkeys(("test", "validate", "debug", "lint", "parse", "connect", "login", "auth"), "check"),
    **dict.fromkeys(("ls", "syncs", "models", "describe", "info"), "list"),
    **dict.fromkeys(("errors", "dead-letter", "dlq", "invalid", "refused"), "rejected SYNC"),
    **dict.fromkeys(("failed", "failures", "state", "runs", "health", "monitor"), "status"),
    **dict.fromkeys(("clean", "clear", "delete", "drop", "truncate"), "reset SYNC"),
    **dict.fromkeys(("create", "new", "generate", "scaffold", "setup"), "init"),
    **dict.fromkeys(("server", "mock", "sandbox"), "simulate"),
    **dict.fromkeys(("erase", "gdpr"), "forget USER_ID"),
    **dict.fromkeys(("move", "mv"), "rename OLD NEW"),
    **dict.fromkeys(("rescale", "repartition", "shard"), "reshard SYNC N"),
    "backfill": "run SYNC --partition FIRST..LAST", "version": "--version",
}

# Words for which there are several, or no command.
_ANSWERS = {
    **dict.fromkeys(("log", "logs", "audit"), "`candu-sync status` has how runs ended, `candu-sync history SYNC` what "
                                              "was sent"),
    **dict.fromkeys(("retry", "rerun", "resume"), "`candu-sync run --failed` runs what failed, `candu-sync rejected "
                                                  "SYNC --retry` sends rows again that Candu refused"),
    **dict.fromkeys(("schedule", "pause", "enable", "disable"), "a schedule is `automation` in the sync's YAML, and "
                                                                "runs in Dagster"),
    **dict.fromkeys(("serve", "ui", "dev"), "`dg dev` starts Dagster with all syncs, `candu-sync simulate` a stand-in "
                                            "for Candu"),
    **dict.fromkeys(("cancel", "stop", "kill"), "Ctrl-C or SIGTERM ends a run in order"),
}

_NAMES = "write the names of syncs without it, like users/profile or 'users/*'"
_RANGE = "use --partition KEY, or --partition FIRST..LAST"
_GUARDS = "use --allow GUARD, which passes one guard"
_SETTINGS = "set CANDU_API_URL, CANDU_WAREHOUSE_URL and CANDU_STATE_URL, in the environment or in .env"

_OPTIONS = {
    **dict.fromkeys(("--select", "-s", "--models", "--model", "-m", "--sync", "--syncs", "--selector", "--name"),
                    _NAMES),
    **dict.fromkeys(("--dry-run", "--dry", "--preview", "--empty"), "use `candu-sync plan SYNC`, which sends nothing"),
    **dict.fromkeys(("--full-refresh", "-f", "--full-sync", "--full-resync", "--force-full-sync"), "use --full"),
    **dict.fromkeys(("--tags", "--label", "--selector-tag"), "use --tag"),
    **dict.fromkeys(("--skip", "--ignore", "--except", "--without"), "use --exclude"),
    **dict.fromkeys(("--partitions", "--partition-range", "--start", "--end", "--start-date", "--end-date", "--from",
                     "--to", "--date", "--event-time-start", "--event-time-end", "--backfill"), _RANGE),
    **dict.fromkeys(("--id", "--ids", "--user", "--user-id", "--key", "--record", "--primary-key",
                     "--row"), "use --key"),
    **dict.fromkeys(("--no-guard", "--no-guards", "--skip-guards", "--ignore-guards", "--override", "--bypass"),
                    _GUARDS),
    **dict.fromkeys(("--target", "-t", "--env", "--profile", "--profiles-dir", "--api-key", "--warehouse",
                     "--destination", "--source", "--connection"), _SETTINGS),
    **dict.fromkeys(("--rerun", "--only-failed", "--failures"), "use --failed"),
    **dict.fromkeys(("--format", "--output-format", "--output", "-o"), "use --json"),
    **dict.fromkeys(("--concurrency", "--threads", "--workers", "--parallel"), "set CANDU_CONCURRENCY"),
    **dict.fromkeys(("--vars", "--var", "--param", "--params"), "the SQL may use :partition, :window_start, :window_end"
                                                                " and :since, which the sync's YAML gives"),
    **dict.fromkeys(("--verbose", "-v", "--debug", "--log-level", "--quiet", "-q"),
                    "there is one level of detail; `status` and `rejected` say more"),
    **dict.fromkeys(("--resume", "--continue"), "leave it out: a run goes on where the last one ended"),
    **dict.fromkeys(("--schedule", "--cron"), "a schedule is `automation` in the sync's YAML, and runs in Dagster"),
    "--check": "use `candu-sync check SYNC`", "--limit": "use --sample N on `run`", "--yes": "it is for `reset` only",
    "-y": "use --yes on `reset`", "--rate": "set CANDU_RATE", "--batch-size": "set CANDU_BATCH_SIZE",
    "--project-dir": "change into the folder, or set CANDU_SQL_DIR", "--state": "set CANDU_STATE_URL",
    "--workspace": "write it before the command: `candu-sync --workspace NAME run …`",
    "--retry": "use `candu-sync rejected SYNC --retry`",
}


# Our option → what is said by a command that has not got it.
_ELSEWHERE = {
    "--key": "`candu-sync history --user ID` has what became of a user's rows, `candu-sync run SYNC --key KEY` sends a "
             "row again",
    "--full": "use `candu-sync run SYNC --full`",
}


def refuse_options(name: str, command: TyperCommand, words: list[str]) -> None:
    """Refuse an option that another tool has, and the command has not.

    Args:
        name: the command's.
        words: what follows the command's name.

    Raises:
        UsageError: one of the words is such an option.
    """
    ours = {option for parameter in command.params for option in parameter.opts}
    for word in words[: words.index("--")] if "--" in words else words:
        option = word.partition("=")[0]
        answer = None if option in ours else _OPTIONS.get(option)
        found = re.match("use (--[a-z-]+)", answer or "")
        if found and found[1] not in ours:
            # The command has not that one either. The parser refuses the word where no other command is meant.
            answer = _ELSEWHERE.get(found[1])
        if answer is not None:
            raise UsageError(f"{name} has no option {option}: {answer}")


def meant(name: str, commands: list[str]) -> str:
    """What a word that is no command most likely means, to end a sentence with.

    Args:
        commands: the names of ours.
    """
    word = name.lower().replace("_", "-")
    if word in _COMMANDS:
        return f"; use `candu-sync {_COMMANDS[word]}`"
    if word in _ANSWERS:
        return f"; {_ANSWERS[word]}"
    return did_you_mean(name, commands) or f" (there are: {', '.join(commands)})"
