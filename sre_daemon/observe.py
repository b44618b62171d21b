"""What the daemon itself reads of Prometheus and Alertmanager, for the gate and for proofs.

The agent's tools read on their own, in another process; nothing they say is used here.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import httpx
import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.level import Level, LevelAlert
from sre_daemon.domain.sender import DEFAULT
from sre_daemon.domain.series import Point
from sre_daemon.errors import TargetUnavailable

log = structlog.get_logger(__name__)

# A rule that was not evaluated for this long says nothing about now.
STALE = timedelta(seconds=90)


class AlertState(StrEnum):
    """An alert as Prometheus has it now. `unknown`: no such rule, or it is not being evaluated."""

    FIRING = "firing"
    PENDING = "pending"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sample:
    """The answer to a condition. `holds` needs data: an empty result does not hold."""

    query: str
    holds: bool
    value: float | None


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """The alerting rule behind an alert."""

    name: str
    query: str
    healthy: bool
    last_evaluation: datetime | None


class Observer:
    """Reads Prometheus and every Alertmanager of each cluster; `clusters` has them by tenant."""

    def __init__(
        self,
        prometheus: str,
        clusters: Mapping[str, Sequence[str]],
        timeout: float,
        clock: Clock,
    ) -> None:
        self._prometheus = prometheus.rstrip("/")
        self._clusters = {
            tenant: [url.rstrip("/") for url in urls] for tenant, urls in clusters.items()
        }
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def ready(self) -> Mapping[str, str]:
        """`ok` or what is wrong, for each dependency."""
        peers = [url for urls in self._clusters.values() for url in urls]
        names = ["prometheus", *(f"alertmanager-{n}" for n in range(len(peers)))]
        urls = [f"{url}/-/ready" for url in (self._prometheus, *peers)]
        states = await asyncio.gather(*(self._ready(url) for url in urls))
        return dict(zip(names, states, strict=True))

    async def _ready(self, url: str) -> str:
        try:
            response = await self._http.get(url, timeout=2)
        except httpx.HTTPError as failure:
            return f"no answer from {url}: {type(failure).__name__}"
        return "ok" if response.is_success else f"{url} answered {response.status_code}"

    async def sample(self, query: str) -> Sample:
        """Evaluate a PromQL condition now.

        It holds when there is a result, and no series or scalar in it is NaN; a comparison
        without `bool` filters, so its empty result does not hold. With `bool`, 0 does not hold.

        Raises:
            TargetUnavailable: Prometheus gave no usable answer.
        """
        values = await self._values(query)
        # value != value: NaN is the absence of a number
        good = bool(values) and all(value == value for value in values)  # noqa: PLR0124
        holds = good and (not _boolean(query) or all(value != 0 for value in values))
        return Sample(query, holds, values[0] if good else None)

    async def holds(self, query: str) -> bool | None:
        """Whether a PromQL condition holds now; None when what it says is no number.

        An empty result is a no: a comparison that filters says no in the same way as a metric that
        is gone, and either must be.

        Raises:
            TargetUnavailable: Prometheus gave no usable answer.
        """
        values = await self._values(query)
        if any(value != value for value in values):  # noqa: PLR0124 - NaN
            return None
        return bool(values) and (not _boolean(query) or all(value != 0 for value in values))

    async def _values(self, query: str) -> list[float]:
        data = await self._get(f"{self._prometheus}/api/v1/query", {"query": query})
        try:
            result = data["data"]["result"]
            if data["data"]["resultType"] == "scalar":
                return [float(result[1])]
            return [float(item["value"][1]) for item in result]
        except (KeyError, IndexError, TypeError, ValueError) as failure:
            raise TargetUnavailable(f"Prometheus' answer to {query!r} cannot be read") from failure

    async def values(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """The series of an instant query with their values; a scalar has no labels.

        Raises:
            TargetUnavailable: Prometheus gave no usable answer.
        """
        data = await self._get(f"{self._prometheus}/api/v1/query", {"query": query})
        try:
            result = data["data"]["result"]
            if data["data"]["resultType"] == "scalar":
                return [({}, float(result[1]))]
            return [(dict(item["metric"]), float(item["value"][1])) for item in result]
        except (KeyError, IndexError, TypeError, ValueError) as failure:
            raise TargetUnavailable(f"Prometheus' answer to {query!r} cannot be read") from failure

    async def series(
        self, query: str, start: datetime, end: datetime, step: timedelta
    ) -> list[Point]:
        """The first series of a query over time, without what is no number.

        Raises:
            TargetUnavailable: Prometheus gave no usable answer.
        """
        params = {
            "query": query,
            "start": str(start.timestamp()),
            "end": str(end.timestamp()),
            "step": str(step.total_seconds()),
        }
        data = await self._get(f"{self._prometheus}/api/v1/query_range", params)
        try:
            result = data["data"]["result"]
            values = result[0]["values"] if result else []
            points = [Point(datetime.fromtimestamp(at, UTC), float(value)) for at, value in values]
        except (KeyError, IndexError, TypeError, ValueError) as failure:
            raise TargetUnavailable(f"Prometheus' answer to {query!r} cannot be read") from failure
        return [point for point in points if math.isfinite(point.value)]

    async def alert_states(self, alerts: Sequence[Alert]) -> Mapping[str, AlertState]:
        """The state of each alert, by identity.

        Raises:
            TargetUnavailable: Prometheus gave no usable answer.
        """
        active, rules = await asyncio.gather(self._active(), self.rules())
        states: dict[str, AlertState] = {}
        for alert in alerts:
            found = [
                state for labels, state in active if labels.items() <= dict(alert.labels).items()
            ]
            if AlertState.FIRING in found:
                states[alert.identity] = AlertState.FIRING
            elif found:
                states[alert.identity] = AlertState.PENDING
            elif any(self._current(rule) for rule in rules if rule.name == alert.name):
                states[alert.identity] = AlertState.INACTIVE
            else:
                states[alert.identity] = AlertState.UNKNOWN
        return states

    async def firing(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        """Those of the alerts that Prometheus has firing now; raises TargetUnavailable."""
        states = await self.alert_states(alerts)
        return [alert for alert in alerts if states[alert.identity] is AlertState.FIRING]

    async def audible(self) -> Sequence[Alert]:
        """Every alert that fires now and that no Alertmanager mutes; raises TargetUnavailable."""
        now = self._clock.now()
        active = [
            Alert(labels, AlertStatus.FIRING, now)
            for labels, state in await self._active()
            if state is AlertState.FIRING
        ]
        firing = await self.firing(active) if active else []
        return [alert for alert in firing if not await self.suppressed(alert)]

    def _current(self, rule: RuleInfo) -> bool:
        return (
            rule.healthy
            and rule.last_evaluation is not None
            and self._clock.now() - rule.last_evaluation < STALE
        )

    async def _active(self) -> list[tuple[Mapping[str, str], AlertState]]:
        data = await self._get(f"{self._prometheus}/api/v1/alerts", {})
        try:
            return [
                (dict(item["labels"]), AlertState(item["state"])) for item in data["data"]["alerts"]
            ]
        except (KeyError, TypeError, ValueError) as failure:
            raise TargetUnavailable("Prometheus' list of alerts cannot be read") from failure

    async def rules(self) -> list[RuleInfo]:
        """Every alerting rule."""
        data = await self._get(f"{self._prometheus}/api/v1/rules", {"type": "alert"})
        try:
            return [
                RuleInfo(
                    rule["name"],
                    rule["query"],
                    rule.get("health") == "ok",
                    _time(rule.get("lastEvaluation")),
                )
                for group in data["data"]["groups"]
                for rule in group["rules"]
            ]
        except (KeyError, TypeError, ValueError) as failure:
            raise TargetUnavailable("Prometheus' list of rules cannot be read") from failure

    def cluster(self, tenant: str) -> "Cluster":
        """The Alertmanagers of one tenant."""
        return Cluster(self, tenant)

    async def level(self, tenant: str = DEFAULT) -> Level:
        """Every alert, as all Alertmanagers of the tenant's cluster have them.

        An alert is suppressed when any of them says so: silences are gossiped, but late.

        Raises:
            TargetUnavailable: none of the Alertmanagers answered usefully, or there is none.
        """
        answers = await asyncio.gather(
            *(self._level(url, tenant) for url in self._clusters.get(tenant, ())),
            return_exceptions=True,
        )
        known = [answer for answer in answers if isinstance(answer, list)]
        if not known:
            raise next(
                (answer for answer in answers if isinstance(answer, BaseException)),
                TargetUnavailable("no Alertmanager is configured", "set alertmanagers"),
            )
        alerts: dict[str, LevelAlert] = {}
        for item in (item for answer in known for item in answer):
            before = alerts.get(item.alert.identity)
            held = item.suppressed or (before is not None and before.suppressed)
            alerts[item.alert.identity] = replace(item, suppressed=held)
        return Level(tenant, alerts, complete=len(known) == len(answers))

    async def _level(self, url: str, tenant: str) -> list[LevelAlert]:
        data = await self._get(f"{url}/api/v2/alerts", {})
        try:
            return [_level_alert(item, tenant) for item in data]
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            raise TargetUnavailable(f"the list of alerts of {url} cannot be read") from failure

    async def suppressed(self, alert: Alert) -> bool:
        """Whether an Alertmanager says that this alert is silenced or inhibited.

        Without any Alertmanager configured nothing can be silenced.

        Raises:
            TargetUnavailable: none of the Alertmanagers answered usefully.
        """
        return await self.all_suppressed([alert])

    async def all_suppressed(self, alerts: Sequence[Alert]) -> bool:
        """Whether every one of them is, asked for all of them at once; see `suppressed`."""
        for tenant in sorted({alert.tenant for alert in alerts}):
            if not self._clusters.get(tenant):
                return False
            level = await self.level(tenant)
            mine = [alert.identity for alert in alerts if alert.tenant == tenant]
            if not all(name in level.alerts and level.alerts[name].suppressed for name in mine):
                return False
        return bool(alerts)

    async def still_firing(self, alerts: Sequence[Alert]) -> Mapping[str, bool | None]:
        """Whether each alert fires now, by identity; None when neither Prometheus nor any
        Alertmanager can tell.

        Prometheus decides where it has the rule; an alert of another ruler is Alertmanager's word.
        """
        try:
            states = await self.alert_states(alerts)
        except TargetUnavailable as failure:
            log.warning("Prometheus cannot tell whether alerts fire", error=failure.reason)
            states = {}
        found: dict[str, bool | None] = {
            alert.identity: state is AlertState.FIRING
            for alert in alerts
            if (state := states.get(alert.identity, AlertState.UNKNOWN)) is not AlertState.UNKNOWN
        }
        unknown = [alert for alert in alerts if alert.identity not in found]
        for tenant in sorted({alert.tenant for alert in unknown}):
            mine = [alert.identity for alert in unknown if alert.tenant == tenant]
            found.update(await self._in_level(tenant, mine))
        return found

    async def _in_level(self, tenant: str, names: Sequence[str]) -> dict[str, bool | None]:
        try:
            level = await self.level(tenant)
        except TargetUnavailable as failure:
            log.warning("Alertmanager cannot tell whether alerts fire", error=failure.reason)
            return dict.fromkeys(names)
        absent = False if level.complete else None
        return {name: True if name in level.alerts else absent for name in names}

    async def _get(self, url: str, params: Mapping[str, str]) -> Any:
        try:
            response = await self._http.get(url, params=dict(params))
        except httpx.HTTPError as failure:
            raise TargetUnavailable(
                f"no answer from {url}: {type(failure).__name__}", "is it running?"
            ) from failure
        if not response.is_success:
            raise TargetUnavailable(f"{url} answered {response.status_code}: {response.text[:200]}")
        try:
            return response.json()
        except ValueError as failure:
            raise TargetUnavailable(f"{url} did not answer JSON") from failure


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the Alertmanagers of one tenant have."""

    observer: Observer
    tenant: str

    async def level(self) -> Level:
        """Every alert; raises TargetUnavailable."""
        return await self.observer.level(self.tenant)


def _boolean(query: str) -> bool:
    """Whether it compares with `bool`, so that 0 is its no."""
    return " bool " in query


def _level_alert(item: Mapping[str, Any], tenant: str) -> LevelAlert:
    alert = Alert(
        labels={str(name): str(value) for name, value in item["labels"].items()},
        status=AlertStatus.FIRING,
        starts_at=datetime.fromisoformat(item["startsAt"]).astimezone(UTC),
        annotations={str(k): str(v) for k, v in item.get("annotations", {}).items()},
        generator_url=str(item.get("generatorURL", "")),
        fingerprint=str(item.get("fingerprint", "")),
        tenant=tenant,
    )
    receivers = tuple(receiver["name"] for receiver in item["receivers"])
    return LevelAlert(alert, item["status"]["state"] == "suppressed", receivers)


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or value.startswith("0001-"):
        return None
    return datetime.fromisoformat(value)
