"""What makes what the daemon does checkable."""

from datetime import timedelta

from pydantic import Field

from sre_daemon.settings.base import Duration, Group


class ApprovalSettings(Group):
    """What people are asked."""

    expiry: Duration = timedelta(minutes=30)
    """How long an approval waits for an answer before the incident is escalated."""


class BrakeSettings(Group):
    """When the daemon pauses by itself."""

    failures: int = Field(default=3, ge=0, le=100)
    """So many repairs that failed, or came back, pause it; 0 never does."""
    within: Duration = timedelta(hours=1)
    """Within this time."""


class AuditSettings(Group):
    """The audit log."""

    anchor: Duration = timedelta(minutes=1)
    """How often its new lines are checked and its end is signed, into a file in data_dir."""
