"""Prometheus' HTTP API, with its own error texts kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_tools.clients.http import JsonClient
from mcp_tools.errors import TargetUnavailable, ToolError
from mcp_tools.settings import PrometheusSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query: `kind` is vector, matrix, scalar or string; `data` as on the wire."""

    kind: str
    data: Any


class Prometheus:
    """One Prometheus."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._timeout = settings.timeout_seconds
        self._http = JsonClient("Prometheus", str(settings.url), settings.timeout_seconds)

    async def query(self, promql: str, time: float | None = None) -> Answer:
        """An instant query; `time` is Unix seconds, by default now.

        Raises:
            ToolError: Prometheus says what is wrong with the query.
            TargetUnavailable: no usable answer.
        """
        parameters = {"query": promql, "timeout": f"{self._timeout:g}s"}
        if time is not None:
            parameters["time"] = f"{time:.3f}"
        return self._answer(await self._get("/api/v1/query", parameters))

    async def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """A range query; all times in Unix seconds.

        Raises:
            ToolError: Prometheus says what is wrong with the query.
            TargetUnavailable: no usable answer.
        """
        parameters = {
            "query": promql,
            "timeout": f"{self._timeout:g}s",
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step:.3f}",
        }
        return self._answer(await self._get("/api/v1/query_range", parameters))

    async def metric_names(self) -> list[str]:
        """The names of all metrics, sorted."""
        data = await self._get("/api/v1/label/__name__/values", {})
        return sorted(str(name) for name in data) if isinstance(data, list) else []

    async def metadata(self) -> dict[str, tuple[str, str]]:
        """Metric family to its type and help text."""
        data = await self._get("/api/v1/metadata", {"limit_per_metric": "1"})
        found: dict[str, tuple[str, str]] = {}
        for name, items in data.items() if isinstance(data, dict) else ():
            if isinstance(items, list) and items and isinstance(items[0], dict):
                found[name] = (str(items[0].get("type", "")), str(items[0].get("help", "")))
        return found

    async def cardinality(self, count: int) -> dict[str, int]:
        """How many series each metric has now, of the metrics with the most."""
        data = await self._get("/api/v1/status/tsdb", {"limit": str(count)})
        rows = data.get("seriesCountByMetricName") if isinstance(data, dict) else None
        return {str(row["name"]): int(row["value"]) for row in rows or ()}

    async def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts, as on the wire."""
        data = await self._get("/api/v1/alerts", {})
        alerts = data.get("alerts") if isinstance(data, dict) else None
        return [item for item in alerts or () if isinstance(item, dict)]

    async def rules(self) -> list[dict[str, Any]]:
        """Alerting rules, as on the wire."""
        data = await self._get("/api/v1/rules", {"type": "alert"})
        groups = data.get("groups") if isinstance(data, dict) else None
        return [rule for group in groups or () for rule in group.get("rules") or ()]

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        status, body = await self._http.get(path, dict(parameters))
        if not isinstance(body, dict):
            raise TargetUnavailable(f"Prometheus at {self._http.url} answered no JSON object.")
        if body.get("status") != "success":
            kind, text = body.get("errorType", f"status {status}"), body.get("error", "no details")
            raise ToolError(f"Prometheus says: {kind}: {text}.", "Correct the query and try again.")
        return body.get("data")

    def _answer(self, data: Any) -> Answer:
        if not isinstance(data, dict) or not isinstance(data.get("resultType"), str):
            raise TargetUnavailable(f"Prometheus at {self._http.url} answered no query result.")
        return Answer(data["resultType"], data.get("result"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
