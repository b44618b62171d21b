"""A night in a store: incidents in every state, as the real pipeline would have left them."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sre_daemon.domain.alert import Alert, AlertStatus, Severity
from sre_daemon.domain.approval import Approval
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy, to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.run import Run, RunOutcome, ToolCall, Usage
from sre_daemon.domain.series import Point, Series
from sre_daemon.store.base import Writes
from sre_daemon.store.samples import Samples
from tests.support.correlation import fixed_writes

NIGHT = datetime(2026, 3, 14, 3, 12, 7, tzinfo=UTC)
POOL = ConfigSet("config/api-server.env", "DB_POOL_SIZE", "1", "20")
REDEPLOY = ServiceRedeploy("api-server")
ERRORS = 'sum(rate(http_requests_total{status=~"5.."}[30s])) < 1'
IN_USE = "db_connections_active / db_pool_size > 0.9"
CAUSE = (
    "The connection pool of api-server was cut from 20 to 1 by the deploy at 03:08, "
    "so that requests to /api/users wait for a connection and fail."
)


def diagnosis(**values):
    """What the investigation found."""
    found = {
        "conclusive": True,
        "root_cause": CAUSE,
        "confidence": 0.94,
        "supported": True,
        "evidence": [
            {
                "claim": "The pool holds one connection.",
                "call": "c3",
                "quote": "DB_POOL_SIZE=1",
                "supported": True,
            },
            {
                "claim": "Requests fail because no connection is free.",
                "call": "c2",
                "quote": "connection pool exhausted",
                "supported": True,
            },
            {
                "claim": "The database itself is healthy.",
                "call": "c1",
                "quote": "",
                "supported": False,
            },
        ],
        "contributing_factors": ["The deploy had no check of the pool's size."],
        "affected_services": ["api-server"],
        "ruled_out": ["PostgreSQL is up and answers in 2 ms."],
        "missing": [],
        "proposed": [to_json(POOL), to_json(REDEPLOY)],
    }
    return found | values


STEPS = (
    (
        "c1",
        "get_service_health",
        {},
        "api-server: DEGRADED\n  errors 12.4/s\n  pool 1 of 1 in use\npostgres: healthy",
        0.21,
    ),
    (
        "c2",
        "get_logs",
        {"service": "api-server", "level": "error", "lines": 20},
        "03:11:58 ERROR connection pool exhausted after 5.0 s\n" * 6,
        0.12,
    ),
    (
        "c3",
        "read_config_file",
        {"path": "config/api-server.env"},
        "DB_HOST=postgres\nDB_POOL_SIZE=1\nDB_POOL_TIMEOUT=5\n",
        0.03,
    ),
    (
        "c4",
        "get_recent_deployments",
        {"service": "api-server"},
        '[{"service": "api-server", "time": "03:08:11", "message": "lower pool for test"}]',
        0.05,
    ),
)


class Story:
    """Tells one store what happened."""

    def __init__(self, store, database, now=NIGHT):
        self.store = store
        self.samples = Samples(database)
        self.now = now
        self.count = 0

    async def opens(self, name, service, severity=Severity.CRITICAL, ago=0, **values):
        """An alert fires."""
        self.count += 1
        at = self.now - timedelta(seconds=ago)
        labels = {"alertname": name, "service": service, "severity": severity.value}
        incident = Incident(
            id=f"01hnight{self.count:04}",
            key=f"key-{self.count}",
            title=f"{name} on {service}",
            state=State.TRIGGERED,
            severity=severity,
            labels=labels,
            created_at=at,
            updated_at=at,
            **values,
        )
        summary = {"ApiDbPoolExhausted": "Every connection of the pool is in use."}.get(
            name, f"{name} has been true for 2 minutes."
        )
        alert = Alert(
            labels | {"n": str(self.count)},
            AlertStatus.FIRING,
            at,
            annotations={"summary": summary},
        )
        event = TimelineEvent(incident.id, at, Kind.ALERT, f"{name} fires: {summary}")
        writes = Writes(
            opened=[incident],
            episodes=[StoredAlert(alert, incident.id, at, at, 3, open=True)],
            events=[event],
        )
        await self.store.accept([], fixed_writes(writes))
        return incident

    async def moves(self, incident, to, why, at, reason="claimed", **notes):
        """The incident is in another state; its events say so."""
        now = await self.store.incident(incident.id)
        moved = replace(now, state=State(to), updated_at=at, wake_at=at + timedelta(days=1))
        data = {"from": now.state, "to": to, "event": "x", "reason": reason}
        event = TimelineEvent(
            incident.id, at, Kind.STATE, f"{now.state.value} -> {to}: {why}", data
        )
        return await self.store.transition(moved.noting(**notes), [event])

    async def says(self, incident, kind, summary, at, **data):
        """A fact."""
        await self.store.note([TimelineEvent(incident.id, at, kind, summary, data)])

    async def asks(self, incident, at):
        """People are asked about the repair."""
        now = replace(
            await self.store.incident(incident.id), state=State.AWAITING_APPROVAL, attempt=1,
            policy="restore-db-pool", updated_at=at, wake_at=at + timedelta(days=1),
        )  # fmt: skip
        asked = Approval(
            f"{incident.id}-a1", incident.id, 1, "restore-db-pool", (POOL, REDEPLOY), {}, at,
            self.now + timedelta(minutes=30), ("sre-oncall",),
        )  # fmt: skip
        data = {"from": "diagnosed", "to": "awaiting_approval", "reason": "outside_window"}
        text = "diagnosed -> awaiting_approval: restore-db-pool asks"
        event = TimelineEvent(incident.id, at, Kind.STATE, text, data)
        await self.store.save(now, now.fence, [event], asked)

    async def steps(self, incident, at, steps=STEPS, run="r1", done=True):
        """An investigation."""
        known = Run(f"{incident.id}-{run}", incident.id, "claude", "claude-opus-4-6", at)
        await self.store.begin_run(known)
        await self.says(
            incident, Kind.STEP, "The pool looks exhausted; I look at errors first.", at
        )
        for number, (call, tool, arguments, output, seconds) in enumerate(steps):
            when = at + timedelta(seconds=2 + 3 * number)
            await self.store.record_call(
                ToolCall(known.id, call, tool, arguments, output, False, seconds, when)
            )
            await self.says(
                incident, Kind.STEP, f"{tool}(…)", when, call=call, tool=tool,
                arguments=arguments, seconds=seconds, is_error=False, output=output,
                size=len(output),
            )  # fmt: skip
        if done:
            usage = Usage(5, 8_412, 1_204, 30_100, 2_000, 0.1375)
            ended = replace(
                known,
                ended_at=at + timedelta(seconds=15),
                outcome=RunOutcome.DIAGNOSED,
                usage=usage,
            )
            await self.store.end_run(ended)

    async def verdict(self, incident, word, message, at):
        """What the policy said."""
        trail = [
            "mode act",
            "policy restore-db-pool: alertname matches, service matches",
            "config.set config/api-server.env DB_POOL_SIZE=20: within 5 to 100",
            "service.redeploy api-server: allowed",
            f"autonomy: {word}",
        ]
        await self.says(
            incident, Kind.VERDICT, f"{word}: {message}", at,
            verdict=word, reason="allowed", policy="restore-db-pool", trail=trail,
        )  # fmt: skip

    async def acts(self, incident, at, states=(EffectState.APPLIED, EffectState.APPLIED)):
        """Effects of one attempt."""
        claimed = replace(
            await self.store.incident(incident.id), attempt=1, policy="restore-db-pool"
        )
        await self.store.transition(claimed, [])
        now = await self.store.incident(incident.id)
        planned = await self.store.plan(now, now.fence, Direction.FORWARD, [POOL, REDEPLOY], at)
        for number, (record, state) in enumerate(zip(planned, states, strict=False)):
            when = at + timedelta(seconds=number + 1)
            await self.store.intend(record.id, now.fence, [State.REMEDIATING], when)
            await self.store.settle(record.id, state, {}, when + timedelta(seconds=1))
            await self.says(
                incident, Kind.EFFECT, f"{record.effect.describe()}: {state.value}", when
            )

    async def charted(self, incident, changed, seconds=240):
        """Samples of a fault and its end."""
        start = incident.created_at - timedelta(seconds=120)
        errors, use = [], []
        for second in range(0, seconds + 120, 4):
            at = start + timedelta(seconds=second)
            broken = at >= incident.created_at - timedelta(seconds=30) and at < changed
            wave = math.sin(second / 9) * 0.6
            errors.append(Point(at, (12.4 + wave) if broken else max(0.0, 0.15 + wave / 8)))
            use.append(Point(at, 1.0 if broken else 0.31 + wave / 20))
        await self.samples.keep(incident.id, [Series(ERRORS, errors), Series(IN_USE, use)])


async def night(store, database, now=NIGHT, folder=None):
    """Incidents in every state; returns them by what they show."""
    story = Story(store, database, now)
    shown = {"repaired": await repaired(story, folder)}
    shown["flat"] = await flat(story)
    shown["escalated"] = await escalated(story)
    shown["approval"] = await approval(story)
    shown["investigating"] = await investigating(story)
    shown["silenced"] = await story.opens("NightlyBackupLate", "postgres", Severity.INFO, ago=600)
    await story.moves(shown["silenced"], "suppressed", "silenced in Alertmanager", now)
    shown["new"] = await story.opens("ApiHighLatency", "checkout", Severity.WARNING, ago=2)
    return {name: await store.incident(item.id) for name, item in shown.items()}


async def repaired(story, folder=None):
    """Found, repaired, proven."""
    one = await story.opens("ApiDbPoolExhausted", "api-server", ago=5400)
    at = one.created_at + timedelta(seconds=1)
    await story.moves(one, "investigating", "a worker took it", at)
    await story.says(one, Kind.NOTIFICATION, "triggered sent to oncall", at)
    await story.steps(one, at + timedelta(seconds=1))
    at += timedelta(seconds=17)
    await story.says(one, Kind.DIAGNOSIS, f"{CAUSE} (confidence 0.94)", at)
    await story.moves(one, "diagnosed", CAUSE, at, "diagnosed", diagnosis=diagnosis())
    at += timedelta(seconds=1)
    await story.verdict(one, "allow", "restore-db-pool allows every effect", at)
    await story.moves(one, "remediating", "restore-db-pool allows every effect", at, "allowed")
    await story.acts(one, at)
    changed = at + timedelta(seconds=4)
    await story.moves(one, "verifying", "every effect was applied", changed, "applied")
    end = changed + timedelta(seconds=31)
    await story.says(
        one, Kind.VERIFICATION, "held for 20 s: alerts resolved, errors below 1/s", end
    )
    report = None
    if folder is not None:
        report = folder / "20260314-034207-ApiDbPoolExhausted.md"
        report.write_text("# Post-mortem: ApiDbPoolExhausted on api-server\n", encoding="utf-8")
    await story.moves(
        one, "resolved", "the alert and the queries proved the repair", end, "proven",
        resolution="proven", before={ERRORS: 12.4, IN_USE: 1.0}, after={ERRORS: 0.2, IN_USE: 0.3},
        postmortem=str(report) if report else None,
    )  # fmt: skip
    await story.charted(one, changed)
    await story.says(one, Kind.POSTMORTEM, "post-mortem written", end)
    return await story.moves(one, "closed", "it stayed quiet", end + timedelta(minutes=5), "quiet")


async def flat(story):
    """The alert stopped by itself."""
    one = await story.opens("TargetDown", "cache", Severity.WARNING, ago=4200)
    return await story.moves(
        one, "resolved", "the alert stopped by itself", one.created_at + timedelta(seconds=90),
        "cleared",
    )  # fmt: skip


async def escalated(story):
    """Nothing was found."""
    one = await story.opens("PaymentErrors", "payment-svc", Severity.WARNING, ago=2700)
    at = one.created_at + timedelta(seconds=1)
    await story.moves(one, "investigating", "a worker took it", at)
    await story.steps(one, at, STEPS[:2])
    found = diagnosis(
        conclusive=False, root_cause="", evidence=[], contributing_factors=[], proposed=[],
        ruled_out=["The database is healthy."],
        missing=["payment-svc writes no logs that the tools can read"],
    )  # fmt: skip
    at += timedelta(seconds=20)
    await story.moves(
        one, "escalated", "payment-svc writes no logs that the tools can read", at,
        "inconclusive", diagnosis=found,
    )  # fmt: skip
    await story.says(one, Kind.NOTIFICATION, "escalated sent to team", at)
    return one


async def approval(story):
    """Somebody has to say yes."""
    one = await story.opens("ApiHighErrorRate", "api-server", ago=780)
    at = one.created_at + timedelta(seconds=1)
    await story.moves(one, "investigating", "a worker took it", at)
    await story.steps(one, at)
    at += timedelta(seconds=17)
    await story.says(one, Kind.DIAGNOSIS, f"{CAUSE} (confidence 0.94)", at)
    await story.moves(one, "diagnosed", CAUSE, at, "diagnosed", diagnosis=diagnosis())
    await story.verdict(one, "ask", "restore-db-pool acts alone only off-hours", at)
    await story.asks(one, at)
    await story.says(one, Kind.NOTIFICATION, "awaiting_approval sent to oncall", at)
    await story.charted(one, story.now + timedelta(hours=1), 700)
    return one


async def investigating(story):
    """It is at work now."""
    one = await story.opens("ApiDown", "api-server", ago=14)
    at = one.created_at + timedelta(seconds=1)
    await story.moves(one, "investigating", "a worker took it", at)
    await story.steps(one, at, STEPS[:3], done=False)
    return one
