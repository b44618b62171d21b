"""What code can know about an incident in a second: handed to the investigator as data, and to people
when there is no investigator.

What the tools say is recorded like any call, under names of its own (t1, t2), so that it can be
cited as evidence. Whatever does not answer in time is left out and said to be missing.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sre_daemon.agent.base import ToolStep
from sre_daemon.agent.runbook.file import Runbook
from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import RemediationState, State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.errors import DaemonError, TargetUnavailable, ToolError, ToolServerUnavailable
from sre_daemon.observe import RuleInfo
from sre_daemon.pipeline import wire
from sre_daemon.store.base import Store
from sre_daemon.toolclient import OpenTools, ToolSession

SECONDS = 1.5
TOOL_SECONDS = 1.0
MAX_SERIES = 5
MAX_CALL = 2500
MAX_SECTION = 1200
MAX_RUNBOOKS = 3
EARLIER = 5


class Rules(Protocol):
    """Reads Prometheus; both raise TargetUnavailable."""

    async def rules(self) -> list[RuleInfo]:
        """Every alerting rule."""
        ...

    async def values(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """The series of an instant query with their values."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """`facts`: title to text, in a fixed order. `calls`: the tool calls behind some of them."""

    facts: Mapping[str, str] = field(default_factory=dict)
    calls: Sequence[ToolStep] = ()

    @property
    def summary(self) -> str:
        """For a person who gets nothing else: each fact on a line, cut."""
        return "\n".join(f"{title}: {_short(text)}" for title, text in self.facts.items())


class Surroundings:
    """`tools` opens a session with the reading tools; `services` have logs."""

    def __init__(
        self,
        rules: Rules,
        store: Store,
        tools: OpenTools,
        runbooks: Sequence[Runbook],
        services: Sequence[str],
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._store = store
        self._tools = tools
        self._runbooks = runbooks
        self._services = services
        self._clock = clock

    async def look(self, incident: Incident, alerts: Sequence[StoredAlert]) -> Look:
        """Look at everything at once, for a second and a half at most."""
        firing = [item.alert for item in alerts if item.open] or [item.alert for item in alerts]
        rules, (tools, calls), before = await asyncio.gather(
            self._in_time(self._rule_facts(firing), "Alerting rules"),
            self._tool_facts(firing),
            self._in_time(self._history(incident), "Earlier incidents"),
        )
        return Look({**rules, **tools, **self._runbook_facts(firing), **before}, calls)

    async def _in_time(self, facts: Awaitable[dict[str, str]], title: str) -> dict[str, str]:
        try:
            async with asyncio.timeout(SECONDS):
                return await facts
        except TimeoutError:
            return {title: "not known: no answer in time"}
        except TargetUnavailable as failure:
            return {title: f"not known: {failure.reason}"}

    async def _rule_facts(self, alerts: Sequence[Alert]) -> dict[str, str]:
        names = {alert.name for alert in alerts}
        rules = [rule for rule in await self._rules.rules() if rule.name in names]
        told = await asyncio.gather(*(self._rule(rule) for rule in rules))
        return {"Alerting rules and what they see now": "\n".join(told)} if told else {}

    async def _rule(self, rule: RuleInfo) -> str:
        head = f"{rule.name}: {rule.query}"
        if not rule.healthy:
            head += " (the rule itself fails)"
        try:
            series = await self._rules.values(rule.query)
        except TargetUnavailable as failure:
            return f"{head}\n  its value is not known: {failure.reason}"
        shown = [f"  {_labels(labels)} {value:g}" for labels, value in series[:MAX_SERIES]]
        if len(series) > MAX_SERIES:
            shown.append(f"  and {len(series) - MAX_SERIES} series more")
        return "\n".join([head, *(shown or ["  nothing now: the condition is not met"])])

    async def _tool_facts(
        self, alerts: Sequence[Alert]
    ) -> tuple[dict[str, str], Sequence[ToolStep]]:
        wanted = self._wanted(alerts)
        try:
            async with asyncio.timeout(SECONDS), self._tools() as session:
                steps = await asyncio.gather(
                    *(
                        self._call(session, f"t{number}", tool, arguments)
                        for number, (_, tool, arguments) in enumerate(wanted, start=1)
                    )
                )
        except (TimeoutError, DaemonError) as failure:
            why = str(failure) or "no answer in time"
            return {"First look by the tools": f"not known: {why}"}, ()
        facts = {
            f"{title} (call {step.call})": _cut(step.output, MAX_CALL)
            for (title, _, _), step in zip(wanted, steps, strict=True)
        }
        return facts, steps

    def _wanted(self, alerts: Sequence[Alert]) -> list[tuple[str, str, dict[str, object]]]:
        calls: list[tuple[str, str, dict[str, object]]] = [
            ("Health of the services", "get_service_health", {}),
            ("What changed lately", "get_recent_deployments", {}),
            ("Alerts that fire now", "get_alerts", {}),
        ]
        named = {alert.labels.get("service", "") for alert in alerts}
        for service in sorted(named & set(self._services))[:2]:
            arguments: dict[str, object] = {"service": service, "level": "error", "lines": 5}
            calls.append((f"Errors in the log of {service}", "get_logs", arguments))
        return calls

    async def _call(
        self, session: ToolSession, name: str, tool: str, arguments: Mapping[str, object]
    ) -> ToolStep:
        begun = self._clock.monotonic()
        try:
            result = await session.call(tool, arguments, TOOL_SECONDS)
            # As the model will see it: the text of a structured result repeats it at length.
            output, failed = result.text, result.is_error
        except ToolServerUnavailable:
            raise
        except ToolError as failure:
            output, failed = str(failure), True
        seconds = self._clock.monotonic() - begun
        return ToolStep(name, tool, arguments, _renamed(output, name), failed, seconds)

    def _runbook_facts(self, alerts: Sequence[Alert]) -> dict[str, str]:
        matching = [
            book for book in self._runbooks if any(book.matches(alert.labels) for alert in alerts)
        ]
        return {
            f"Runbook {book.name}": f"{book.front.description}\n\n"
            + "\n\n".join(
                f"{name}: {_cut(book.sections[name], MAX_SECTION)}"
                for name in ("Meaning", "Diagnosis", "Mitigation")
            )
            for book in matching[:MAX_RUNBOOKS]
        }

    async def _history(self, incident: Incident) -> dict[str, str]:
        facts = {}
        name = incident.labels.get("alertname", "")
        same = await self._store.incidents(label={"alertname": name}, limit=20) if name else []
        earlier = [item for item in same if item.id != incident.id and _over(item)][:EARLIER]
        if earlier:
            facts["Earlier incidents of this alert"] = "\n".join(map(_told, earlier))
        recent = await self._store.incidents(limit=30)
        nearby = [item for item in recent if item.id != incident.id and not _over(item)]
        if nearby:
            facts["Other open incidents"] = "\n".join(
                f"{item.id} {item.title}: {item.state} since {item.created_at:%Y-%m-%d %H:%M}"
                for item in nearby[:EARLIER]
            )
        return facts


def _over(incident: Incident) -> bool:
    return incident.state in {State.CLOSED, State.RESOLVED}


def _told(incident: Incident) -> str:
    """An earlier incident in a line: when, how it ended, what it was."""
    diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
    cause = diagnosis.root_cause if diagnosis and diagnosis.conclusive else "no cause found"
    if incident.data.get("resolution") == "proven":
        how = "repaired and proven"
    elif incident.data.get("remediation") == RemediationState.ROLLED_BACK:
        how = "a repair was taken back"
    else:
        how = "ended by itself"
    effects = [effect.describe() for effect in diagnosis.proposed] if diagnosis else []
    proposed = f"; proposed: {', '.join(effects)}" if effects else ""
    return f"{incident.created_at:%Y-%m-%d %H:%M} {how}: {cause}{proposed}"


def _labels(labels: Mapping[str, str]) -> str:
    kept = {name: value for name, value in labels.items() if name != "__name__"}
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(kept.items())) + "}"


def _renamed(output: str, name: str) -> str:
    """The tool server numbers its own calls; here they are the daemon's."""
    head, bracket, rest = output.partition("] ")
    return f"[{name}] {rest}" if bracket and head.startswith("[c") else f"[{name}] {output}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]} [cut]"


def _short(text: str) -> str:
    return _cut(" ".join(text.split()), 300)
