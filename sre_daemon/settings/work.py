"""The worker pool, and how long its results are kept."""

from datetime import timedelta

from pydantic import Field

from sre_daemon.settings.base import Duration, Group


class WorkerSettings(Group):
    """The worker pool."""

    concurrency: int = Field(default=2, ge=1, le=64)
    """Incidents worked on at once."""
    lease: Duration = timedelta(seconds=15)
    """A worker that does not renew its claim for this long has lost it."""
    poll: Duration = timedelta(milliseconds=500)
    """How often due incidents are looked for when nothing wakes the worker."""


class RetentionSettings(Group):
    """How long is kept what is over."""

    notifications: Duration = timedelta(days=30)
    """The bytes of notifications."""
    incidents: Duration = timedelta(days=365)
    """Closed incidents with everything that belongs to them; post-mortem files stay."""
