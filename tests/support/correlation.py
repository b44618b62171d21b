"""Correlations for tests of stores: what the real one would decide is given."""

from sre_daemon.domain.notification import correlation_key
from sre_daemon.store.base import Horizon, Writes


class Deciding:
    """Decides as the function says: notifications, known -> writes."""

    def __init__(self, decide):
        self.decide = decide
        self.horizon = Horizon()

    def keys(self, notifications):
        """The keys of the default correlation."""
        return {correlation_key(item, alert) for item in notifications for alert in item.alerts}


def fixed_writes(writes):
    """Always these writes."""
    return Deciding(lambda *_: writes)


def fixed(**values):
    """Always the writes with these values."""
    return fixed_writes(Writes(**values))
