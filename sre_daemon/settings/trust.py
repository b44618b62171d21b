"""What makes what the daemon does checkable."""

from datetime import timedelta

from sre_daemon.settings.base import Duration, Group


class AuditSettings(Group):
    """The audit log."""

    anchor: Duration = timedelta(minutes=1)
    """How often its new lines are checked and its end is signed, into a file in data_dir."""
