"""What happens next with the rows that were not accepted: the same three words and sentences in every place.

*Invalid*: a row that cannot be sent. *Refused*: Candu said no to it. *Waiting*: it goes with the next run.
"""

from __future__ import annotations

from candu_sync.naming import counted


def next_steps(sync: str, *, invalid: int = 0, refused: int = 0, waiting: int = 0, unidentified: int = 0) -> list[str]:
    """A sentence for each of the three that there are rows of, with the command to look or go on; and one where users
    have events or memberships and were never identified.

    Args:
        sync: the sync's name; where the rows are of several syncs, a word like SYNC.

    Example:
        >>> next_steps("users/profile", refused=2)
        ['2 rows refused: Candu said no. Not sent again before a change of the row, or `candu-sync rejected \
users/profile --retry`']
    """
    steps = []
    if invalid:
        steps.append(f"{counted(invalid, 'row')} invalid: not sent. Each run looks again; "
                     f"`candu-sync rejected {sync}` has the reasons")
    if refused:
        steps.append(f"{counted(refused, 'row')} refused: Candu said no. Not sent again before a change of the row, or "
                     f"`candu-sync rejected {sync} --retry`")
    if waiting:
        steps.append(f"{counted(waiting, 'message')} waiting for the next run (`candu-sync run {sync}`)")
    if unidentified:
        steps.append(f"{counted(unidentified, 'user')} unidentified: there are events or memberships of them, and no "
                     "sync of users has sent them")
    return steps
