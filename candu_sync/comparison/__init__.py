"""The first half of a run: the model is read, compared with the snapshot, and what would be sent is written down.

    pipeline.plan ──► comparing ──► reading ──► row_source ──► source          all rows come
                          │            │             └───────► hashed_source   only rows whose hash is not known
                          │            ├──► same_result                        a small result, as Candu has it
                          │            └──► wanted                             what is compared with what
                          └──► diff, changes                                   what differs, and the change set's files

Does not send anything, and does not know commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.comparison.comparing import compare as compare
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "comparing": "compare",
    })
