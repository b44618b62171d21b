"""get_service_health: one verdict over every service, in which missing data is never healthy."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mcp_tools.errors import ToolError
from mcp_tools.settings import read_yaml
from mcp_tools.spec import Input, Output, Part, ToolSpec, clean, clip
from mcp_tools.tools.context import Context

EVERY = "*"
MAX_SERVICES = 60
MAX_ISSUES = 40


class Level(StrEnum):
    """The state of one check."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The state of a service, or of all."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Check(BaseModel):
    """A query whose value is judged: above `warning` and `critical`, or below them with `below`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    promql: str
    unit: str = ""
    warning: float | None = None
    critical: float | None = None
    below: bool = False

    def judge(self, value: float | None) -> Level:
        """The state for this value; no value, NaN and infinity are unknown."""
        if value is None or not math.isfinite(value):
            return Level.UNKNOWN
        sign = -1 if self.below else 1
        for level, bound in ((Level.CRITICAL, self.critical), (Level.WARNING, self.warning)):
            if bound is not None and sign * value > sign * bound:
                return level
        return Level.OK


class ServiceChecks(BaseModel):
    """The checks of one service; under the name `*` each series counts for the service in its label."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    checks: tuple[Check, ...]


class HealthFile(BaseModel):
    """The health file."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    services: tuple[ServiceChecks, ...] = Field(min_length=1)


ERRORS = (
    'sum by (service) (rate(http_requests_total{status=~"5.."}[1m]))'
    " or sum by (service) (rate(http_requests_total[1m])) * 0"
)
QUANTILE = (
    "histogram_quantile(%s, sum by (service, le) "
    "(rate(http_request_duration_milliseconds_bucket[1m])))"
)
# The pool's real size, not a constant: a pool of 1 with 1 connection in use is full.
POOL = (
    "100 * sum by (service) (db_connections_active)"
    " / (sum by (service) (db_pool_size) or sum by (service) (db_connections_max))"
)
BUILT_IN = HealthFile(
    services=(
        ServiceChecks(
            name=EVERY,
            checks=(
                Check(name="error_rate", promql=ERRORS, unit="errors/s", warning=1, critical=5),
                Check(
                    name="latency_p99",
                    promql=QUANTILE % 0.99,
                    unit="ms",
                    warning=500,
                    critical=1000,
                ),
                Check(name="latency_p50", promql=QUANTILE % 0.5, unit="ms"),
                Check(name="db_pool_usage", promql=POOL, unit="%", warning=70, critical=90),
                Check(name="up", promql="up", critical=1, below=True),
            ),
        ),
    )
)


class HealthInput(Input):
    """get_service_health takes no arguments."""


class CheckResult(Part):
    """One measured check."""

    name: str
    value: float | None
    unit: str
    status: Level


class ServiceHealth(Part):
    """One service."""

    service: str
    verdict: Verdict
    checks: list[CheckResult]


class HealthOutput(Output):
    """Result of get_service_health."""

    verdict: Verdict
    services: list[ServiceHealth]
    issues: list[str]

    def render(self) -> str:
        """A line per check."""
        lines = [f"Verdict: {self.verdict}"]
        for service in self.services:
            lines.append(f"{service.service}: {service.verdict}")
            for check in service.checks:
                value = (
                    "no data" if check.value is None else f"{check.value:.4g} {check.unit}".strip()
                )
                lines.append(f"  {check.name} = {value} [{check.status}]")
        lines += [f"Issue: {issue}" for issue in self.issues]
        return "\n".join(lines)


HEALTH = ToolSpec(
    name="get_service_health",
    title="Health of all services",
    description=(
        "Judge every service at once: error rate, latency percentiles, use of the database connection "
        "pool relative to its configured size, and up/down, each with a status. Use it first, to see "
        "which service is affected, and last, to see whether it is well again. Missing data makes the "
        "verdict unknown, never healthy. Example: call it without arguments, then look into the "
        "service that is critical with query_metrics and get_logs."
    ),
    input=HealthInput,
    output=HealthOutput,
)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The values of one check by service, or why there are none."""

    check: Check
    values: Mapping[str, float | None]
    problem: str = ""


async def get_service_health(context: Context, _arguments: HealthInput) -> HealthOutput:
    """Run all queries at once, then judge."""
    path = context.settings.health
    health = await asyncio.to_thread(read_yaml, path, HealthFile) if path else BUILT_IN
    pairs = [(service.name, check) for service in health.services for check in service.checks]
    measured = await asyncio.gather(*(_measure(context, name, check) for name, check in pairs))
    return judge(measured, context.settings.services if path is None else ())


async def _measure(context: Context, service: str, check: Check) -> _Measured:
    try:
        answer = await context.prometheus.query(check.promql)
    except ToolError as failure:
        missing: dict[str, float | None] = {} if service == EVERY else {service: None}
        return _Measured(check, missing, failure.reason)
    samples = _samples(answer.kind, answer.data)
    values: dict[str, float | None] = {}
    for labels, value in samples:
        name = _owner(labels) if service == EVERY else service
        values[name] = _worse(check, values[name], value) if name in values else value
    if service != EVERY:
        values.setdefault(service, None)
    return _Measured(check, values, "" if samples else "no data")


def _samples(kind: str, data: Any) -> list[tuple[Mapping[str, str], float]]:
    if kind == "scalar":
        return [({}, float(data[1]))]
    if kind != "vector":
        return []
    return [(item.get("metric", {}), float(item["value"][1])) for item in data if "value" in item]


def _owner(labels: Mapping[str, str]) -> str:
    name = labels.get("service") or labels.get("job") or labels.get("instance") or "(no label)"
    return clip(clean(name), 80)


def _worse(check: Check, one: float | None, other: float | None) -> float | None:
    """Of several series of one service the worst counts; no data is worse than any value."""
    order = [Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN]
    return max(one, other, key=lambda value: order.index(check.judge(value)))


def judge(measured: Sequence[_Measured], expected: Sequence[str] = ()) -> HealthOutput:
    """The verdicts. An expected service that no query knows is unknown, not left out."""
    rows: dict[str, list[CheckResult]] = {}
    issues: list[str] = []
    for item in measured:
        if item.problem:
            issues.append(f"{item.check.name}: {item.problem}")
        if not item.values:
            result = _result(item.check, None)
            rows.setdefault("(any service)", []).append(result)
        for service, value in sorted(item.values.items()):
            result = _result(item.check, value)
            rows.setdefault(service, []).append(result)
            if result.status is not Level.OK and not item.problem:
                issues.append(_issue(service, item.check, result))
    for service in expected:
        if service not in rows:
            rows[service] = []
            issues.append(f"{service}: no series has its name")
    services = [
        ServiceHealth(service=name, verdict=_verdict(checks), checks=checks)
        for name, checks in rows.items()
    ]
    return HealthOutput(
        verdict=_worst([item.verdict for item in services]),
        services=services[:MAX_SERVICES],
        issues=issues[:MAX_ISSUES],
    )


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Of all services; nothing measured is unknown."""
    order = [Verdict.CRITICAL, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.HEALTHY]
    return min(verdicts, key=order.index, default=Verdict.UNKNOWN)


def _result(check: Check, value: float | None) -> CheckResult:
    known = value is not None and math.isfinite(value)
    shown = round(value, 4) if known and value is not None else None
    return CheckResult(name=check.name, value=shown, unit=check.unit, status=check.judge(value))


def _issue(service: str, check: Check, result: CheckResult) -> str:
    if result.value is None:
        return f"{service}: {check.name} has no data"
    word = "below" if check.below else "above"
    bound = check.critical if result.status is Level.CRITICAL else check.warning
    return f"{service}: {check.name} is {result.value:.4g} {check.unit}".rstrip() + (
        f", {word} {bound:g} ({result.status})"
    )


def _verdict(checks: Sequence[CheckResult]) -> Verdict:
    """Critical before degraded before unknown; healthy only when everything is known and well."""
    found = {check.status for check in checks}
    if Level.CRITICAL in found:
        return Verdict.CRITICAL
    if Level.WARNING in found:
        return Verdict.DEGRADED
    if Level.UNKNOWN in found or not found:
        return Verdict.UNKNOWN
    return Verdict.HEALTHY
