"""The executor: applies decided effects in order, through a tool server, without a model.

Intent before, outcome after. An effect whose outcome is not known (a crash, a time-out, a lost
answer) is measured on the target; it is never repeated blindly.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.effect import (
    ConfigSet,
    McpCall,
    Outward,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
)
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import ToolError
from sre_daemon.executor import outward
from sre_daemon.executor.base import Hands, OpenHands, Result
from sre_daemon.executor.gate import Gate, Session
from sre_daemon.executor.targets import look
from sre_daemon.metrics import Metrics
from sre_daemon.store.base import Store

log = structlog.get_logger(__name__)

# One remediation may take this long; the gate refuses what is asked for later.
DEADLINE = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
DONE = frozenset({EffectState.APPLIED})


@dataclass(frozen=True, slots=True)
class Applied:
    """How it went: `reason` is APPLIED, EFFECT_REFUSED or EFFECT_FAILED."""

    reason: Reason
    message: str

    @property
    def complete(self) -> bool:
        """Whether every effect was applied."""
        return self.reason is Reason.APPLIED


class Executor:
    """The only way from a decision to a change."""

    def __init__(
        self, store: Store, gate: Gate, open_hands: OpenHands, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._gate = gate
        self._open_hands = open_hands
        self._clock = clock
        self._metrics = metrics

    async def apply(self, incident: Incident, direction: Direction) -> Applied:
        """Apply what is planned for the incident's attempt and not applied yet.

        Safe to call again after a crash at any point.

        Raises:
            ToolError: the tool server did not start; nothing new was changed.
        """
        records = await self._records(incident, direction)
        if all(record.state in DONE for record in records):
            return Applied(Reason.APPLIED, "every effect was already applied")
        async with self._session(incident, direction) as (hands, session):
            for record in records:
                outcome = await self._one(hands, session, record)
                if outcome is not None:
                    return outcome
        return Applied(Reason.APPLIED, f"{len(records)} effects applied")

    @asynccontextmanager
    async def _session(
        self, incident: Incident, direction: Direction
    ) -> AsyncIterator[tuple[Hands, Session]]:
        deadline = self._clock.now() + DEADLINE
        async with (
            self._gate.session(incident, direction, deadline) as session,
            self._open_hands(session.token, direction) as hands,
        ):
            yield hands, session

    async def _records(self, incident: Incident, direction: Direction) -> list[EffectRecord]:
        records = await self._store.effects(incident.id, incident.attempt)
        return [record for record in records if record.direction is direction]

    async def _one(self, hands: Hands, session: Session, record: EffectRecord) -> Applied | None:
        """Bring one effect to APPLIED; anything else ends the attempt."""
        if record.state in DONE:
            return None
        if record.state in {EffectState.FAILED, EffectState.REFUSED}:
            return Applied(Reason.EFFECT_FAILED, f"{record.effect.describe()}: {record.state}")
        if record.state is EffectState.INTENDED:
            state, detail = await self._measure(hands, record)
            await self._settle(record, state, detail, "measured after an interruption")
            if state is EffectState.APPLIED:
                return None
            if state is not EffectState.NOT_APPLIED:
                return Applied(Reason.EFFECT_FAILED, str(detail.get("measured", "")))
        return await self._do(hands, session, record)

    async def _do(self, hands: Hands, session: Session, record: EffectRecord) -> Applied | None:
        tool, arguments = _call(record)
        started = self._clock.monotonic()
        try:
            # For the gate, which compares it with what was seen at the decision.
            session.seen.update(await look(hands, [record.effect]))
            started = self._clock.monotonic()
            result = await hands.call(tool, arguments)
        except ToolError as failure:
            result = Result(None, failure.reason, is_error=True)
        seconds = round(self._clock.monotonic() - started, 3)
        self._count(tool, result, seconds)
        detail: dict[str, object] = {"tool": tool, "seconds": seconds, "result": result.text[:2000]}
        if not result.is_error:
            await self._settle(record, EffectState.APPLIED, detail, "")
            return None
        record = await self._read_again(record)
        intended = record.state is EffectState.INTENDED
        if not intended and record.direction is Direction.FORWARD:
            # The gate or the guard said no before anything happened.
            return await self._refused(record, detail, result)
        state, measured = await self._measure(hands, record)
        if not intended and state is not EffectState.APPLIED:
            # Else the old value is there already, because the change never happened.
            return await self._refused(record, detail, result)
        await self._settle(record, state, detail | measured, result.text)
        if state is EffectState.APPLIED:
            return None
        return Applied(Reason.EFFECT_FAILED, result.text)

    async def _refused(
        self, record: EffectRecord, detail: Mapping[str, object], result: Result
    ) -> Applied:
        await self._settle(record, EffectState.REFUSED, detail, result.text)
        return Applied(Reason.EFFECT_REFUSED, result.text)

    async def _read_again(self, record: EffectRecord) -> EffectRecord:
        """With the intent that the gate wrote, and when."""
        records = await self._store.effects(record.incident_id, record.attempt)
        return next(item for item in records if item.id == record.id)

    async def _measure(
        self, hands: Hands, record: EffectRecord
    ) -> tuple[EffectState, dict[str, object]]:
        """Look at the target: applied, not applied, or neither (failed: a person must look).

        Still only intended when it cannot be seen: it may have happened, so a rollback counts it.
        """
        try:
            if isinstance(record.effect, ConfigSet):
                return await self._measure_config(hands, record.effect)
            if isinstance(record.effect, ServiceRedeploy | ServiceRestart):
                return await self._measure_service(hands, record.effect, record.intended_at)
            if isinstance(record.effect, Outward):
                return await outward.measure(hands, record.effect, record.intended_at)
        except ToolError as failure:
            return EffectState.INTENDED, {"measured": f"could not be measured: {failure.reason}"}
        return EffectState.FAILED, {"measured": "this effect cannot be measured"}

    async def _measure_config(
        self, hands: Hands, effect: ConfigSet
    ) -> tuple[EffectState, dict[str, object]]:
        result = await hands.call("read_config_file", {"path": effect.path})
        keys = (result.data or {}).get("keys")
        value = keys.get(effect.key) if isinstance(keys, Mapping) else None
        detail: dict[str, object] = {"measured": f"{effect.key} is {value!r}"}
        if result.is_error:
            detail = {"measured": f"{effect.path} cannot be read: {result.text}"}
            return EffectState.INTENDED, detail
        if value == effect.after:
            return EffectState.APPLIED, detail
        if value == effect.before:
            return EffectState.NOT_APPLIED, detail
        return EffectState.FAILED, detail

    async def _measure_service(
        self,
        hands: Hands,
        effect: ServiceRedeploy | ServiceRestart,
        intended_at: datetime | None,
    ) -> tuple[EffectState, dict[str, object]]:
        service = effect.service
        result = await hands.call("run_shell_command", {"command": f"docker compose ps {service}"})
        listed = (result.data or {}).get("services")
        entries = listed if isinstance(listed, Sequence) else []
        for entry in entries:
            if isinstance(entry, Mapping) and entry.get("service") == service:
                started, made = entry.get("started_at"), entry.get("made_at")
                fresh = bool(entry.get("running")) and _after(started, intended_at)
                said = f"{service} started at {started}"
                if isinstance(effect, ServiceRedeploy) and made is not None:
                    # The runtime may have started the old one again by itself.
                    fresh = fresh and _after(made, intended_at, timedelta())
                    said += f", {entry.get('instance')} was made at {made}"
                return (
                    EffectState.APPLIED if fresh else EffectState.NOT_APPLIED,
                    {"measured": said},
                )
        return EffectState.FAILED, {"measured": f"{service} is not listed: {result.text[:200]}"}

    async def _settle(
        self, record: EffectRecord, state: EffectState, detail: Mapping[str, object], why: str
    ) -> None:
        now = self._clock.now()
        word = "unknown" if state is EffectState.INTENDED else state.replace("_", " ")
        if state is not EffectState.INTENDED:
            # The outcome is a fact: a cancelled worker must not lose it.
            await asyncio.shield(self._store.settle(record.id, state, detail, now))
        self._metrics.effects.labels(record.effect.kind, state).inc()
        summary = f"{word}: {record.effect.describe()}"
        if why:
            summary += f" ({why[:300]})"
        kind = Kind.ROLLBACK if record.direction is Direction.ROLLBACK else Kind.EFFECT
        data = {"effect": record.effect.kind, "outcome": state, **detail}
        await self._store.note([TimelineEvent(record.incident_id, now, kind, summary, data)])

    def _count(self, tool: str, result: Result, seconds: float) -> None:
        name = self._metrics.tool(tool)
        self._metrics.tool_calls.labels(name, "error" if result.is_error else "ok").inc()
        self._metrics.tool_seconds.labels(name).observe(seconds)


def _after(time: object, intended_at: datetime | None, grain: timedelta = SECOND) -> bool:
    """Whether it is not before the intent, to a grain: process tables count whole seconds."""
    return (
        isinstance(time, str)
        and intended_at is not None
        and datetime.fromisoformat(time) + grain >= intended_at
    )


def _call(record: EffectRecord) -> tuple[str, dict[str, object]]:
    """The tool call that produces this effect."""
    effect = record.effect
    if isinstance(effect, ConfigSet):
        return "edit_config_file", {
            "path": effect.path,
            "key": effect.key,
            "old_value": effect.before,
            "new_value": effect.after,
        }
    if isinstance(effect, ServiceRedeploy):
        return "run_shell_command", {"command": f"docker compose up -d {effect.service}"}
    if isinstance(effect, ServiceRestart):
        return "run_shell_command", {"command": f"docker compose restart {effect.service}"}
    if isinstance(effect, Outward):
        return outward.call(effect)
    if isinstance(effect, McpCall):
        return f"{effect.server}__{effect.tool}", _arguments(effect)
    if isinstance(effect, PostmortemWrite):
        raise ToolError(
            "a post-mortem is no repair", "take postmortem.write out of the proposed effects"
        )
    raise AssertionError(effect)


def _arguments(effect: McpCall) -> dict[str, object]:
    """The arguments of a call to an attached server.

    Raises:
        ToolError: they are no JSON object.
    """
    try:
        arguments = json.loads(effect.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise ToolError(
            f"{effect.describe()}: the arguments are no JSON object", "look at the diagnosis"
        )
    return arguments
