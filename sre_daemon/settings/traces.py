"""Traces."""

from typing import Self

from pydantic import HttpUrl, model_validator

from sre_daemon.settings.base import Group


class TraceSettings(Group):
    """Spans for an OpenTelemetry collector; needs the extra `sre-daemon[otel]`."""

    endpoint: HttpUrl | None = None
    """Base address of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`."""
    command_line: bool = False
    """Whether the agent's command line sends its own metrics and logs there, too."""

    @model_validator(mode="after")
    def _has_somewhere_to_go(self) -> Self:
        if self.command_line and self.endpoint is None:
            raise ValueError("command_line needs an endpoint to send to")
        return self
