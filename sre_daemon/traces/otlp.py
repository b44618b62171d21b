"""Sends spans to an OpenTelemetry collector over OTLP and HTTP, from a thread of the SDK.

A collector that is slow or gone costs spans, never an incident: what cannot be queued is dropped.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from sre_daemon import __version__
from sre_daemon.traces.spans import Span

FLUSH_MS = 3000


class _Given(IdGenerator):
    """Hands out the identifiers of the span that is made next."""

    trace_id = 1
    span_id = 1

    def generate_trace_id(self) -> int:
        """See IdGenerator."""
        return self.trace_id

    def generate_span_id(self) -> int:
        """See IdGenerator."""
        return self.span_id


class Otlp:
    """`endpoint` is the collector's base address; `/v1/traces` is added."""

    def __init__(self, endpoint: str, instance: str) -> None:
        self._given = _Given()
        resource = Resource.create(
            {
                "service.name": "sre-daemon",
                "service.version": __version__,
                "service.instance.id": instance,
            }
        )
        self._provider = TracerProvider(resource=resource, id_generator=self._given)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("sre_daemon", __version__)

    def send(self, spans: Sequence[Span]) -> None:
        """Queue them; returns at once."""
        for span in spans:
            self._send(span)

    async def close(self) -> None:
        """Send what waits, for some seconds at most."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()

    def _send(self, span: Span) -> None:
        self._given.trace_id, self._given.span_id = span.trace_id, span.span_id
        context = Context()
        if span.parent_id is not None:
            parent = SpanContext(
                span.trace_id,
                span.parent_id,
                is_remote=True,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )
            context = set_span_in_context(NonRecordingSpan(parent), context)
        made = self._tracer.start_span(
            span.name,
            context=context,
            kind=SpanKind.INTERNAL,
            attributes=dict(span.attributes),
            start_time=_nanoseconds(span.start),
        )
        for moment in span.moments:
            made.add_event(moment.name, dict(moment.attributes), _nanoseconds(moment.at))
        if span.error:
            made.set_attribute("error.type", span.error)
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(_nanoseconds(span.end))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
