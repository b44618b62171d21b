"""What comes in: the webhook, correlation, the comparison with Alertmanager, the heartbeat."""

from datetime import timedelta

from pydantic import Field

from sre_daemon.settings.base import Duration, Group


class ReceiverSettings(Group):
    """The webhook receiver."""

    allow_anonymous: bool = False
    """Accept notifications without a token; only possible on a loopback address."""
    max_body_bytes: int = Field(default=32 << 20, ge=1 << 20)
    """Larger bodies are answered 413."""
    body_timeout: Duration = timedelta(seconds=10)
    """A body that is not complete by then is cut off."""
    max_pending: int = Field(default=2000, ge=1)
    """Requests waiting for the store; above it the answer is 503."""
    max_connections: int = Field(default=500, ge=1)
    """Connections open at once, to the console and the API, too; above it a new one is answered 503
    and closed. Each is an open file: keep it well below `ulimit -n`."""


class CorrelationSettings(Group):
    """How alerts become incidents."""

    labels: tuple[str, ...] = ()
    """Alerts with the same values of all of these labels are one incident, whatever their group."""
    debounce: Duration = timedelta(seconds=2)
    """An incident that is not critical is taken up only this long after its first alert."""
    linger: Duration = timedelta(minutes=5)
    """A resolved incident is closed after this time; an alert that comes back before reopens it."""
    storm: int = Field(default=25, ge=1)
    """With this many incidents waiting, or opened within a minute, new ones become members of one
    storm."""
    flaps: int = Field(default=3, ge=1)
    """An alert with this many episodes within `flap_window`, or an incident that came back this
    often, is flapping: it is not repaired, and stays with a person until it is quiet."""
    flap_window: Duration = timedelta(minutes=30)
    """How far back episodes are counted, and how long what flapped must be quiet."""
    late: Duration = timedelta(minutes=6)
    """How long after a resolution a firing with an old start may be a late copy of another peer."""
    aftermath: Duration = timedelta(minutes=10)
    """How long after a repair a new alert about what it changed belongs to it and starts none."""


class ReconcileSettings(Group):
    """The comparison with what Alertmanager has."""

    interval: Duration = timedelta(minutes=1)
    """Between two comparisons."""
    receivers: tuple[str, ...] = Field(default=("sre-daemon",), min_length=1)
    """The receivers in Alertmanager's configuration that post to this daemon."""


class WatchdogSettings(Group):
    """The alert that fires always, as a sign of life of the whole path."""

    alertname: str = Field(default="Watchdog", min_length=1)
    """Its name; it never becomes an incident."""
    stale_after: Duration = timedelta(minutes=10)
    """Once it was seen: when it is missing for this long, people are told."""
