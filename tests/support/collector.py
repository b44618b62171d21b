"""A collector that takes OTLP over HTTP: spans as protobuf, metrics and logs as JSON; it keeps what it was sent."""

from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`spans` as OTLP messages, `metrics` by name, `logs` as text; `failing` makes it answer 503."""

    def __init__(self):
        self.url = ""
        self.spans = []
        self.metrics = set()
        self.logs = []
        self.resource = {}
        self.failing = False

    async def take(self, request):
        """One export."""
        if self.failing:
            return web.Response(status=503)
        message = ExportTraceServiceRequest.FromString(await request.read())
        for resource in message.resource_spans:
            self.resource = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response(content_type="application/x-protobuf")

    async def take_metrics(self, request):
        """One export in OTLP's JSON."""
        for resource in (await request.json())["resourceMetrics"]:
            for scope in resource["scopeMetrics"]:
                self.metrics.update(metric["name"] for metric in scope["metrics"])
        return web.json_response({})

    async def take_logs(self, request):
        """One export in OTLP's JSON."""
        self.logs.append(await request.text())
        return web.json_response({})

    def named(self, name):
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]


def attributes(span):
    """A span's attributes as plain values."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@asynccontextmanager
async def collecting():
    """A collector for the length of the block."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    app.router.add_post("/v1/metrics", collector.take_metrics)
    app.router.add_post("/v1/logs", collector.take_logs)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()
