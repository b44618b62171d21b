"""The composition root: builds the daemon from its settings, starts it, stops it in reverse order."""

from sre_daemon.app.daemon import Daemon

__all__ = ["Daemon"]
