"""What people do by hand, and what ``status``, ``list``, ``check`` and the tables tell them.

Does not know the command line's arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.operate.check import Finding as Finding
    from candu_sync.operate.check import check_models as check_models
    from candu_sync.operate.check import check_project as check_project
    from candu_sync.operate.status import overview as overview
    from candu_sync.operate.status import statuses as statuses
    from candu_sync.operate.tables import console as console
    from candu_sync.operate.tables import show_plan as show_plan
    from candu_sync.operate.tables import show_results as show_results
    from candu_sync.operate.tables import show_rows as show_rows
    from candu_sync.operate.tables import show_set_aside as show_set_aside
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "check": "Finding check_models check_project",
        "status": "overview statuses",
        "tables": "console show_plan show_results show_rows show_set_aside",
    })
