"""What happens next with the rows that were not accepted: the same three words and sentences in every place.

*Invalid*: a row that cannot be sent. *Refused*: Candu said no to it. *Waiting*: it goes with the next run.
"""

from __future__ import annotations

from candu_sync.naming import counted


def next_steps(sync: str, *, invalid: int = 0, refused: int = 0, waiting: int = 0) -> list[str]:
    """A sentence for each of the three that there are rows of, with the command to look or go on.

    Args:
        sync: the sync's name; where the rows are of several syncs, a word like SYNC.

    Example:
        >>> next_steps("users/profile", refused=2)
        ['2 rows refused: Candu said no. They are not sent again until they change, or after `candu-sync rejected \
users/profile --retry`']
    """
    steps = []
    if invalid:
        steps.append(f"{counted(invalid, 'row')} invalid: they cannot be sent as they are. Each run looks at them "
                     f"again; `candu-sync rejected {sync}` has the reasons")
    if refused:
        steps.append(f"{counted(refused, 'row')} refused: Candu said no. They are not sent again until they change, "
                     f"or after `candu-sync rejected {sync} --retry`")
    if waiting:
        steps.append(f"{counted(waiting, 'message')} waiting: they go with the next run (`candu-sync run {sync}`)")
    return steps
