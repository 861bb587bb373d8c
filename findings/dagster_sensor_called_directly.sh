#!/bin/sh
# dagster 1.13.27: a sensor with required_resource_keys cannot be called as a function, though the daemon runs it. The
# same is true of a schedule.
#
# A guess: calling a sensor in a test does what a tick does. A tick gives the function its context alone, as with assets
# and ops that have required_resource_keys. The call gives the function each resource as a keyword argument too, which it
# does not have. `evaluate_tick` is what the daemon does.
#
# Seen: evaluate_tick: hello; called: TypeError, "got an unexpected keyword argument 'greeting'"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from dagster import (
    ConfigurableResource, ScheduleEvaluationContext, SensorEvaluationContext, SkipReason, build_schedule_context,
    build_sensor_context, schedule, sensor,
)


class Greeting(ConfigurableResource):
    word: str


@sensor(required_resource_keys={"greeting"}, job_name="a_job")
def by_key(context: SensorEvaluationContext):
    return SkipReason(context.resources.greeting.word)


@schedule(required_resource_keys={"greeting"}, job_name="a_job", cron_schedule="* * * * *")
def on_time(context: ScheduleEvaluationContext):
    return SkipReason(context.resources.greeting.word)


given = {"greeting": Greeting(word="hello")}
with build_sensor_context(resources=given) as context:
    tick = by_key.evaluate_tick(context).skip_message
said = {}
for name, called, build in ("sensor", by_key, build_sensor_context), ("schedule", on_time, build_schedule_context):
    with build(resources=given) as context:
        try:
            said[name] = str(called(context))
        except TypeError as error:
            said[name] = str(error)
print("evaluate_tick:", tick, "| called:", said)
assert tick == "hello"
assert all("unexpected keyword argument 'greeting'" in text for text in said.values()), said
PYTHON
