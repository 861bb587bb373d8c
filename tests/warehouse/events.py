"""A table of events for each dialect."""

from __future__ import annotations

EVENTS = [
    ("before", "2026-01-04 23:59:59.999999", "free"),
    ("start", "2026-01-05 00:00:00", "pro"),
    ("noon", "2026-01-05 12:30:00.5", "pro"),
    ("last", "2026-01-05 23:59:59.999999", "free"),
    ("end", "2026-01-06 00:00:00", "pro"),
]
