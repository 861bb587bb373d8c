"""The diff: the rows of a result against the snapshot → the rows that were added, changed or removed.

Knows neither files nor HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.diff.changed_rows import Diff as Diff
    from candu_sync.diff.changed_rows import diff as diff
    from candu_sync.diff.changed_rows import diff_of_nothing as diff_of_nothing
    from candu_sync.diff.changed_rows import do_without_refresh as do_without_refresh
    from candu_sync.diff.changed_rows import may_be_nothing as may_be_nothing
    from candu_sync.diff.chosen import chosen_rows as chosen_rows
    from candu_sync.diff.chosen import missing_keys as missing_keys
    from candu_sync.diff.few_rows import matched_few as matched_few
    from candu_sync.diff.identified import Unidentified as Unidentified
    from candu_sync.diff.identified import count_unidentified as count_unidentified
    from candu_sync.diff.identified import note_unidentified as note_unidentified
    from candu_sync.diff.loading import load as load
    from candu_sync.diff.other_partitions import keep_what_others_set as keep_what_others_set
    from candu_sync.diff.prefilter import Prefilter as Prefilter
    from candu_sync.diff.refresh import Refresh as Refresh
    from candu_sync.diff.refresh import cut_refresh as cut_refresh
    from candu_sync.diff.refresh import refresh_of as refresh_of
    from candu_sync.diff.trait_rules import Compared as Compared
    from candu_sync.diff.trait_rules import compared_traits as compared_traits
    from candu_sync.diff.trait_rules import iso_text as iso_text
    from candu_sync.diff.trait_rules import nulls_to_replace as nulls_to_replace
    from candu_sync.diff.trait_rules import with_constants as with_constants
    from candu_sync.diff.unsendable_rows import set_unsendable_aside as set_unsendable_aside
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "changed_rows": "Diff diff diff_of_nothing do_without_refresh may_be_nothing",
        "chosen": "chosen_rows missing_keys",
        "few_rows": "matched_few",
        "identified": "Unidentified count_unidentified note_unidentified",
        "loading": "load",
        "other_partitions": "keep_what_others_set",
        "prefilter": "Prefilter",
        "refresh": "Refresh cut_refresh refresh_of",
        "trait_rules": "Compared compared_traits iso_text nulls_to_replace with_constants",
        "unsendable_rows": "set_unsendable_aside",
    })
