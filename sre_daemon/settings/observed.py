"""The systems that are observed and repaired."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import HttpUrl

from sre_daemon.settings.base import Duration, Group


class PrometheusSettings(Group):
    """The Prometheus whose rules fire."""

    url: HttpUrl
    """Base address."""
    timeout: Duration = timedelta(seconds=10)
    """How long one query may take."""


class RuntimeSettings(Group):
    """What starts, restarts and logs the services."""

    kind: Literal["supervisor", "none"] = "none"
    """`supervisor` talks to supervisord; `none` has no logs and can restart nothing."""
    socket: Path | None = None
    """supervisord's Unix socket."""
