"""A repair under way: a real store, a real gate on its socket, a policy file, a watcher that is told what to see."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from sre_daemon.domain.effect import ConfigSet, to_json
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.errors import DaemonError
from sre_daemon.executor.gate import Gate
from sre_daemon.metrics import Metrics
from sre_daemon.policy.source import PolicyFile
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.hands import Hands
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.clock import ManualClock
from tests.support.correlation import fixed
from tests.support.factories import REPAIR, alert, incident

LEASE = timedelta(seconds=15)
POLICY = """\
version: 1
mode: act
policies:
  - name: pool
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow:
      - effect: config.set
        path: config/api-server.env
        key: DB_POOL_SIZE
        value: {type: integer, min: 5, max: 100}
      - {effect: service.redeploy, service: api-server}
      - {effect: service.restart, service: api-server}
    limits: {per_hour: 1, cooldown: 10m, concurrent: 1}
  - name: errors
    matchers: ['alertname="HighErrorRate"']
    autonomy: auto
    allow: [{effect: service.restart, service: api-server}]
"""


@dataclass
class FixedWatcher:
    """Everything fires and nothing is silenced, unless a test says otherwise (by alert name)."""

    stopped: set[str] = field(default_factory=set)
    silenced: set[str] = field(default_factory=set)
    guards: dict[str, bool | None] = field(default_factory=dict)
    failure: DaemonError | None = None

    async def firing(self, alerts):
        if self.failure is not None:
            raise self.failure
        return [item for item in alerts if item.name not in self.stopped]

    async def holds(self, query):
        if self.failure is not None:
            raise self.failure
        return self.guards.get(query, False)

    async def suppressed(self, alert):
        if self.failure is not None:
            raise self.failure
        return alert.name in self.silenced


@dataclass
class FixedRecord:
    """What policies earned, as a test says."""

    levels: dict = field(default_factory=dict)
    noted: list = field(default_factory=list)

    async def earned(self, _policy):
        return self.levels

    async def note(self, incident, name, outcome):
        self.noted.append((incident.id, name, outcome))


def _seen(effect):
    """As the hands of a test see a target before anything is changed."""
    if isinstance(effect, ConfigSet):
        return {"value": effect.before, "digest": ""}
    return {"instance": ""} if effect.kind.startswith("service.") else {}


@dataclass
class Repair:
    """What a test holds: one incident in state remediating, claimed, with its effects planned."""

    store: SqlStore
    approvals: Approvals
    hands: Hands
    record: FixedRecord
    gate: Gate
    watcher: FixedWatcher
    policy: Path
    clock: ManualClock
    metrics: Metrics
    incident: Incident

    @asynccontextmanager
    async def session(self, direction=Direction.FORWARD, incident=None):
        """A token that is good for five minutes; the targets look as they did at the decision."""
        deadline = self.clock.now() + timedelta(minutes=5)
        async with self.gate.session(incident or self.incident, direction, deadline) as session:
            session.seen.update(self.incident.data["targets"])
            yield session

    async def ask(self, token, *effects):
        """One question over the socket, one answer."""
        question = {"token": token, "effects": [to_json(effect) for effect in effects]}
        async with connected(self.gate.socket) as (reader, writer):
            writer.write(json.dumps(question).encode() + b"\n")
            return json.loads(await reader.readline())

    async def records(self, direction=Direction.FORWARD):
        """The effects of the incident in one direction."""
        records = await self.store.effects(self.incident.id)
        return [record for record in records if record.direction is direction]

    async def states(self, direction=Direction.FORWARD):
        """How far each effect is."""
        return [record.state for record in await self.records(direction)]

    async def summaries(self):
        """The sentences of the timeline."""
        return [event.summary for event in await self.store.timeline(self.incident.id)]

    async def settle(self, position, state=EffectState.APPLIED, direction=Direction.FORWARD):
        """Say what became of an effect."""
        records = await self.records(direction)
        await self.store.settle(records[position].id, state, {}, self.clock.now())

    async def move(self, event):
        """Somebody without a claim moves the incident."""
        now = await self.store.incident(self.incident.id)
        self.incident = await self.store.transition(now.moved(event, self.clock.now()), [])

    async def another_acted(self, *effects, policy="pool", over=True):
        """Another incident was repaired, now; it is still being repaired unless `over`."""
        other = incident(
            State.REMEDIATING, id="02incident0002", key="key-2", attempt=1, policy=policy
        )
        await store_incident(self.store, other, alert(env="other"))
        claimed = await self.store.claim("another", self.clock.now(), LEASE)
        assert claimed.id == other.id
        for record in await self.store.plan(
            claimed, claimed.fence, Direction.FORWARD, effects, self.clock.now()
        ):
            await self.store.intend(
                record.id, claimed.fence, (State.REMEDIATING,), self.clock.now()
            )
        if over:
            await self.store.transition(claimed.moved(Event.FAILED, self.clock.now()), [])


def counted(metric, **labels):
    """The value of one series of a counter."""
    return next(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels == labels
    )


async def store_incident(store, stored, *alerts):
    """Open an incident with its alerts, as intake does."""
    episodes = [
        StoredAlert(item, stored.id, item.starts_at, item.starts_at, 1, open=item.firing)
        for item in alerts
    ]
    await store.accept([], fixed(opened=[stored], episodes=episodes))


@asynccontextmanager
async def connected(socket: Path):
    """A connection to a gate; each wait in the block is bounded."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_unix_connection(socket, limit=1 << 20)
        try:
            yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def under_repair(folder: Path, *alerts, effects=REPAIR, **values) -> AsyncIterator[Repair]:
    """Open the store, let the gate listen, plan `effects` for an incident with `alerts`."""
    clock, metrics, watcher = ManualClock(), Metrics(), FixedWatcher()
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    database = SqliteDatabase(folder / "repair.sqlite3")
    store = SqlStore(database)
    await store.open()
    approvals = Approvals(database)
    record, file = FixedRecord(), PolicyFile(policy)
    gate = Gate(folder / "gate.sock", store, record, file, watcher, clock, metrics)
    await gate.start()
    try:
        seen = {effect.target: _seen(effect) for effect in effects}
        stored = incident(State.REMEDIATING, attempt=1, policy="pool").noting(targets=seen)
        stored = replace(stored, **values)
        await store_incident(store, stored, *(alerts or (alert(),)))
        claimed = await store.claim("worker", clock.now(), LEASE)
        await store.plan(claimed, claimed.fence, Direction.FORWARD, effects, clock.now())
        yield Repair(
            store,
            approvals,
            Hands(database),
            record,
            gate,
            watcher,
            policy,
            clock,
            metrics,
            claimed,
        )
    finally:
        await gate.stop()
        await store.close()
