"""What a person can set when a sync is launched."""

# Annotations are evaluated here: Dagster reads the fields of a configuration from them.
from collections.abc import Collection, Mapping

from dagster import Config
from pydantic import Field

from candu_sync.changes import guard_names


class Launch(Config):
    """The fields of the launchpad, for a preview, a push, or both."""

    force: bool = Field(default=False, description="Let these changes past all guards, here and when they are pushed.")
    allow: list[str] = Field(default=[], description="Guards to pass, like changed or removed; the others hold.")
    reason: str = Field(default="", description="Why the guard is passed by; kept with the check and the push.")
    full: bool = Field(default=False, description="Send every row, whole; not only what changed.")
    sample: int = Field(default=0, ge=0, description="Send so many messages and stop; 0: all.")
    keys: list[str] = Field(default=[], description="Only rows with these keys, or ids of users or groups; []: all.")
    values: bool = Field(default=False, description="Show rows with their values, which are personal data.")
    new_key: bool = Field(default=False, description="CANDU_API_KEY (by Segment: SEGMENT_WRITE_KEY) was replaced by "
                          "another key of the same workspace.")

    def guards(self) -> frozenset[str]:
        """The guards to pass, by name. Raises UsageError when there is none of a name."""
        return guard_names(self.allow)

    def passed(self, tripped: Collection[str]) -> str:
        """Which guards it passes, in words; empty: none.

        Args:
            tripped: the guards that are in the way. One that is not is passed by nobody.
        """
        return "all" if self.force and tripped else ", ".join(sorted(self.guards().intersection(tripped)))

    def plans_anew(self) -> bool:
        """Whether it asks for another change set than one that was staged."""
        return self.full or bool(self.keys)

    def why(self, tags: Mapping[str, str]) -> str:
        """Why a guard was passed, and by whom if the run's tags have it: Dagster+ has the user, a launch with
        ``--tags`` or an API client may give it."""
        return (self.reason or "no reason was given") + (f" ({tags['user']})" if tags.get("user") else "")
