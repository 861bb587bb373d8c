"""Python runs this when it starts, where this folder is in PYTHONPATH."""

import tests.support.not_linux  # noqa: F401
