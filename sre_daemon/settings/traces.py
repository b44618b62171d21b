"""Traces."""

from pydantic import HttpUrl

from sre_daemon.settings.base import Group


class TraceSettings(Group):
    """Spans for an OpenTelemetry collector; needs the extra `sre-daemon[otel]`."""

    endpoint: HttpUrl | None = None
    """Base address of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`."""
