"""An example of an alert: a sensor that posts each failed run to a webhook of Slack's format."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request

from dagster import (
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorDefinition,
    run_failure_sensor,
)

# A webhook that answers later than this keeps other sensors waiting.
_SECONDS = 10


def failure_alerts(variable: str, *, name: str = "candu_sync_alerts") -> SensorDefinition:
    """A sensor that posts ``{"text": …}`` for each failed run of this code location; on by default.

    The text names the run, its assets and the errors of its steps. They hold no trait value and no key. When the
    webhook does not answer, the sensor's tick fails, and the next tick tries again.

    Args:
        variable: the environment variable that holds the webhook's URL, which is a secret.
    """

    @run_failure_sensor(name=name, default_status=DefaultSensorStatus.RUNNING,
                        description=f"Posts failed runs to the webhook in {variable}.")
    def post(context: RunFailureSensorContext) -> None:
        url = os.environ.get(variable)
        if not url:
            raise ValueError(f"{variable} is not set: put the webhook's URL there, or turn the sensor {name} off")
        _post(url, failure_text(context), variable)

    return post


def failure_text(context: RunFailureSensorContext) -> str:
    """``*candu/users/profile failed* (run 1a2b3c4d)`` and a line for each step's error."""
    run = context.dagster_run
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    errors = []
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        sentence = data.user_failure_data.description if data.user_failure_data else None
        errors.append(f"{event.step_key}: {sentence or data.error_display_string.splitlines()[0]}")
    partition = f", partition {run.tags['dagster/partition']}" if "dagster/partition" in run.tags else ""
    what = ", ".join(assets) or run.job_name
    return "\n".join([f"*{what} failed* (run {run.run_id[:8]}{partition})", *(errors or [context.failure_event.message
                                                                            or ""])])


def _post(url: str, text: str, variable: str) -> None:
    request = urllib.request.Request(url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):
            pass
    except (OSError, ValueError) as error:
        # The URL is a secret, and is part of some of these errors' texts.
        status = f" with {error.code}" if isinstance(error, urllib.error.HTTPError) else f" ({type(error).__name__})"
        raise RuntimeError(f"the webhook in {variable} did not take the alert{status}") from None
