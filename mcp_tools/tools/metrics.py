"""query_metrics and list_metrics: Prometheus as it is, bounded."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from mcp_tools.clients.prometheus import Answer
from mcp_tools.errors import ToolError
from mcp_tools.spec import Input, Output, Part, ToolSpec, clean, clip, fit
from mcp_tools.tools import promql
from mcp_tools.tools.context import Context

MAX_SERIES = 50
MAX_POINTS = 600
MAX_LABEL = 200
BUDGET = 24_000
DEFAULT_STEPS = 60
Kind = Literal["vector", "matrix", "scalar", "string"]


class QueryInput(Input):
    """Arguments of query_metrics."""

    promql: str = Field(
        description='PromQL, e.g. sum by (service) (rate(http_requests_total{status=~"5.."}[1m]))'
    )
    time: str | float | None = Field(
        None,
        description="Evaluate at this time: Unix seconds, RFC 3339, now, now-15m. Default now.",
    )
    start: str | float | None = Field(
        None, description="Start of a range query, written like `time`. Makes it a range query."
    )
    end: str | float | None = Field(None, description="End of the range query. Default now.")
    step: str | float | None = Field(
        None, description="Distance of the points, e.g. 15s. Default: 60 points over the range."
    )
    offset: int = Field(
        0, ge=0, le=1_000_000, description="Leave out this many of the first series; to page on"
    )


class Series(Part):
    """One series. `value` is the last one, null for NaN and infinities; `values` only of a matrix."""

    labels: dict[str, str]
    value: float | None
    values: list[tuple[float, float | None]] | None = None


class QueryOutput(Output):
    """Result of query_metrics. `count` is of all series, also of those left out."""

    query: str
    kind: Kind
    count: int
    empty: bool
    truncated: bool
    series: list[Series]
    next_offset: int | None

    def render(self) -> str:
        """One line per series."""
        lines = [f"{self.query}", f"{self.kind}, {self.count} series"]
        if self.empty:
            lines.append("No data: the query is valid, but no series matches it now.")
        for series in self.series:
            value = "no finite value" if series.value is None else f"{series.value:.10g}"
            points = f" ({len(series.values)} points)" if series.values is not None else ""
            lines.append(f"{_name(series.labels)} = {value}{points}")
        if self.truncated:
            more = (
                "" if self.next_offset is None else f", or page on with offset={self.next_offset}"
            )
            lines.append(f"More was left out: aggregate, add matchers, use topk{more}.")
        return "\n".join(lines)


QUERY = ToolSpec(
    name="query_metrics",
    title="Query Prometheus",
    description=(
        "Run any PromQL query against Prometheus and get its series with labels and values. Use it to "
        "measure what a symptom is, how large, since when, and to prove or rule out a cause. An empty "
        "result is not an error; a wrong query returns Prometheus' own message.\n"
        "Give start (and end, step) for a range query, e.g. start=now-15m, step=30s.\n"
        "Examples:\n"
        '- 5xx per second by service: sum by (service) (rate(http_requests_total{status=~"5.."}[1m]))\n'
        '- error ratio by service: sum by (service) (rate(http_requests_total{status=~"5.."}[1m])) / '
        "sum by (service) (rate(http_requests_total[1m]))\n"
        "- p99 in ms: histogram_quantile(0.99, sum by (service, le) "
        "(rate(http_request_duration_milliseconds_bucket[1m])))\n"
        "- pool use: db_connections_active / on (service) db_pool_size\n"
        "Ranges are limited to 6 hours and every selector must name a metric or have an equality matcher."
    ),
    input=QueryInput,
    output=QueryOutput,
)


async def query_metrics(context: Context, arguments: QueryInput) -> QueryOutput:
    """Run the query, refuse it when it could cost too much, trim the result."""
    query = arguments.promql
    if arguments.start is None:
        if arguments.end is not None or arguments.step is not None:
            raise ToolError("end and step need start.", "Give start, e.g. now-15m.")
        promql.check(query)
        at = _moment(arguments.time, context)
        return _output(arguments, await context.prometheus.query(query, at))
    if arguments.time is not None:
        raise ToolError("time and start exclude each other.", "Give one of them.")
    now = context.now().timestamp()
    start = _moment(arguments.start, context) or 0.0
    end = _moment(arguments.end, context) or now
    if not start < end:
        raise ToolError("start is not before end.", "Exchange them.")
    if end - start > promql.MAX_RANGE_SECONDS:
        raise ToolError("The range is longer than 6 hours.", "Query a part of it.")
    default = max(1.0, (end - start) / DEFAULT_STEPS)
    step = promql.seconds(str(arguments.step)) if arguments.step is not None else default
    if step < 1:
        raise ToolError("The step is shorter than 1 s.", "Use 1s or more.")
    promql.check(query, (end - start) / step)
    return _output(arguments, await context.prometheus.query_range(query, start, end, step))


def _moment(value: str | float | None, context: Context) -> float | None:
    return None if value is None else promql.moment(str(value), context.now())


def _output(arguments: QueryInput, answer: Answer) -> QueryOutput:
    items = answer.data if isinstance(answer.data, list) else []
    offset = arguments.offset
    shortened = False
    match answer.kind:
        case "vector" | "matrix" as kind:
            limit = max(2, MAX_POINTS // max(1, min(len(items), MAX_SERIES)))
            found = [_series(item, limit) for item in items[offset : offset + MAX_SERIES]]
            shortened = any(len(item.get("values", ())) > limit for item in items)
        case "scalar" as kind:
            items = [items]
            found = [Series(labels={}, value=_number(answer.data[1]))]
        case "string" as kind:
            items = [items]
            found = [Series(labels={"string": clip(answer.data[1], MAX_LABEL)}, value=None)]
        case _:
            raise ToolError(f"Prometheus answered the unknown type {clip(answer.kind, 40)!r}.")
    kept, _ = fit((item.model_dump(exclude_unset=True) for item in found), BUDGET)
    after = offset + len(kept)
    more = answer.kind in {"vector", "matrix"} and after < len(items)
    return QueryOutput(
        query=arguments.promql,
        kind=kind,
        count=len(items),
        empty=not items,
        truncated=more or shortened,
        series=found[: len(kept)],
        next_offset=after if more and kept else None,
    )


def _series(item: Mapping[str, Any], limit: int) -> Series:
    labels = {
        clip(clean(str(name)), MAX_LABEL): clip(clean(str(value)), MAX_LABEL)
        for name, value in item.get("metric", {}).items()
    }
    if "values" not in item:
        sample = item.get("value")
        return Series(labels=labels, value=_number(sample[1]) if sample else None)
    points = [(float(at), _number(value)) for at, value in item["values"][-limit:]]
    return Series(labels=labels, value=points[-1][1] if points else None, values=points)


def _number(text: object) -> float | None:
    number = float(str(text))
    return number if math.isfinite(number) else None


def _name(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    name = labels.get("__name__", "")
    return f"{name}{{{inner}}}" if inner or name else "value"


class ListInput(Input):
    """Arguments of list_metrics."""

    match: str | None = Field(None, description="Only names that contain this text, e.g. db_")
    offset: int = Field(
        0, ge=0, le=1_000_000, description="Leave out this many of the first names; to page on"
    )


class Metric(Part):
    """One metric. `series` is how many it has now, null where Prometheus does not say."""

    name: str
    type: str
    help: str
    series: int | None


class ListOutput(Output):
    """Result of list_metrics. `total` counts all matching names, also those left out."""

    total: int
    groups: dict[str, list[Metric]]
    next_offset: int | None

    def render(self) -> str:
        """A list per group."""
        lines = [f"{self.total} metrics"]
        for group, metrics in self.groups.items():
            lines.append(f"{group}:")
            for item in metrics:
                size = "" if item.series is None else f", {item.series} series"
                lines.append(f"  {item.name} ({item.type or 'untyped'}{size}) {item.help}")
        if self.next_offset is not None:
            lines.append(f"More was left out: give match, or offset={self.next_offset}.")
        return "\n".join(lines)


LIST = ToolSpec(
    name="list_metrics",
    title="List metrics",
    description=(
        "List the names of the metrics that Prometheus has, grouped by category, with type, help and "
        "number of series. "
        "Use it before writing a query on a metric that you have not seen, so that you never guess "
        'names. Examples: match="db_" for the database pool, match="http_" for requests; without '
        "match for all."
    ),
    input=ListInput,
    output=ListOutput,
)

GROUPS = {
    "HTTP": ("http_",),
    "Database": ("db_", "pg_", "mysql_", "redis_"),
    "Containers": ("container_", "kube_"),
    "Machine": ("node_", "machine_"),
    "Process": ("process_", "python_", "go_", "jvm_"),
    "Monitoring": ("prometheus_", "alertmanager_", "promhttp_", "scrape_", "up", "ALERTS"),
}
SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created")
MAX_HELP = 100
MAX_CARDINALITY = 10_000


async def list_metrics(context: Context, arguments: ListInput) -> ListOutput:
    """Names, metadata and cardinality together, grouped."""
    names, metadata, sizes = await asyncio.gather(
        context.prometheus.metric_names(),
        context.prometheus.metadata(),
        _sizes(context),
    )
    if arguments.match:
        names = [name for name in names if arguments.match.lower() in name.lower()]
    rest = names[arguments.offset :]
    kept, more = fit((_describe(name, metadata, sizes).model_dump() for name in rest), BUDGET)
    groups: dict[str, list[Metric]] = {}
    for item in kept:
        groups.setdefault(_group(item["name"]), []).append(Metric.model_validate(item))
    order = [*GROUPS, "Other"]
    return ListOutput(
        total=len(names),
        groups=dict(sorted(groups.items(), key=lambda g: order.index(g[0]))),
        next_offset=arguments.offset + len(kept) if more and kept else None,
    )


async def _sizes(context: Context) -> dict[str, int]:
    """Series per metric; a Prometheus that does not tell is no reason to list nothing."""
    try:
        return await context.prometheus.cardinality(MAX_CARDINALITY)
    except ToolError:
        return {}


def _describe(
    name: str, metadata: Mapping[str, tuple[str, str]], sizes: Mapping[str, int]
) -> Metric:
    kind, text = next((metadata[key] for key in _families(name) if key in metadata), ("", ""))
    return Metric(
        name=clip(clean(name), MAX_LABEL),
        type=clip(clean(kind), MAX_LABEL),
        help=clip(clean(text), MAX_HELP),
        series=sizes.get(name),
    )


def _families(name: str) -> Iterable[str]:
    yield name
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            yield name.removesuffix(suffix)


def _group(name: str) -> str:
    for group, prefixes in GROUPS.items():
        if any(
            name == prefix or (prefix.endswith("_") and name.startswith(prefix))
            for prefix in prefixes
        ):
            return group
    return "Other"
