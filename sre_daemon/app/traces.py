"""Traces, where a collector is configured."""

from contextlib import AsyncExitStack

from sre_daemon.app.foundation import Base
from sre_daemon.errors import ConfigError
from sre_daemon.traces.recorder import Recorder


def recorder_for(stack: AsyncExitStack, base: Base) -> Recorder | None:
    """None without a collector.

    Raises:
        ConfigError: a collector is configured, and the libraries for it are not installed.
    """
    endpoint = base.settings.traces.endpoint
    if endpoint is None:
        return None
    try:
        # Late: an optional extra.
        from sre_daemon.traces.otlp import Otlp
    except ImportError:
        raise ConfigError(
            "traces.endpoint needs OpenTelemetry", "pip install 'sre-daemon[otel]'"
        ) from None
    collector = Otlp(str(endpoint), base.replica)
    stack.push_async_callback(collector.close)
    return Recorder(base.store, collector)
