"""What code knows in a second: from Prometheus, from the tools, from runbooks and from earlier incidents."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import mcp  # noqa: F401 - loaded beforehand, as the daemon does: it takes a second

from sre_daemon.agent.runbook import file as runbook_file
from sre_daemon.clock import SystemClock
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.errors import TargetUnavailable
from sre_daemon.observe import RuleInfo
from sre_daemon.pipeline import surroundings as module
from sre_daemon.pipeline.surroundings import Surroundings
from sre_daemon.pipeline.wire import diagnosis_to_json
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.toolclient import open_session
from tests.support.clock import START
from tests.support.factories import REPAIR, alert, diagnosis, incident
from tests.support.investigations import stand_in
from tests.support.repairs import store_incident
from tests.support.runbooks import runbook

RULE = RuleInfo("ApiDbPoolExhausted", "db_connections_waiting > 0", True, None)
BOOK = runbook_file.parse(runbook(), Path("pool.md"))


class Rules:
    """Prometheus, as told."""

    def __init__(self, values=None, failure=None, slow=False):
        self.series = values if values is not None else [({"service": "api-server"}, 7.0)]
        self.failure, self.slow = failure, slow

    async def rules(self):
        if self.slow:
            await asyncio.Event().wait()
        if self.failure:
            raise self.failure
        return [RULE, RuleInfo("Another", "up == 0", True, None)]

    async def values(self, query):
        assert query == RULE.query
        return self.series


@asynccontextmanager
async def looking(folder, rules=None, world=None, mode="", books=(BOOK,), services=("api-server",)):
    store = SqlStore(SqliteDatabase(folder / "look.sqlite3"))
    await store.open()
    server = stand_in(folder, world or {"get_logs": {"lines": ["pool exhausted"]}}, mode)
    here = incident(State.INVESTIGATING)
    await store_incident(store, here, alert())
    try:
        eyes = Surroundings(
            rules or Rules(), store, lambda: open_session(server), books, services, SystemClock()
        )

        async def look():
            return await eyes.look(
                here, [StoredAlert(alert(), here.id, START, START, 1, open=True)]
            )

        yield look, store
    finally:
        await store.close()


async def test_everything_is_seen_at_once(tmp_path):
    async with looking(tmp_path) as (look, _):
        seen = await look()
    assert list(seen.facts) == [
        "Alerting rules and what they see now",
        "Health of the services (call t1)",
        "What changed lately (call t2)",
        "Alerts that fire now (call t3)",
        "Errors in the log of api-server (call t4)",
        "Runbook api-db-pool-exhausted",
    ]
    rules = seen.facts["Alerting rules and what they see now"]
    assert rules.splitlines() == [
        "ApiDbPoolExhausted: db_connections_waiting > 0",
        '  {service="api-server"} 7',
    ]
    assert [(step.call, step.tool) for step in seen.calls] == [
        ("t1", "get_service_health"),
        ("t2", "get_recent_deployments"),
        ("t3", "get_alerts"),
        ("t4", "get_logs"),
    ]
    assert all(step.output.startswith(f"[{step.call}] ") for step in seen.calls)
    assert "Set the size and redeploy." in seen.facts["Runbook api-db-pool-exhausted"]
    assert "Health of the services" in seen.summary


async def test_rule_that_sees_nothing_any_more_says_so(tmp_path):
    async with looking(tmp_path, Rules([])) as (look, _):
        seen = await look()
    assert "nothing now" in seen.facts["Alerting rules and what they see now"]


async def test_what_cannot_be_read_is_said_to_be_missing(tmp_path):
    failure = TargetUnavailable("no answer from Prometheus")
    async with looking(tmp_path, Rules(failure=failure), mode="crash", books=()) as (look, _):
        seen = await look()
    assert seen.facts["Alerting rules"] == "not known: no answer from Prometheus"
    assert "went away" in seen.facts["First look by the tools"]
    assert seen.calls == ()


async def test_nothing_is_waited_for_longer_than_it_is_worth(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.3)
    begun = asyncio.get_running_loop().time()
    async with looking(tmp_path, Rules(slow=True), mode="hang") as (look, _):
        seen = await look()
        assert asyncio.get_running_loop().time() - begun < 3
    assert "not known" in seen.facts["Alerting rules"]
    assert "not known" in seen.facts["First look by the tools"]
    assert "Runbook api-db-pool-exhausted" in seen.facts


async def test_service_that_is_not_configured_is_not_asked_for_logs(tmp_path):
    async with looking(tmp_path, services=("postgres",)) as (look, _):
        seen = await look()
    assert {step.tool for step in seen.calls} == {
        "get_service_health",
        "get_recent_deployments",
        "get_alerts",
    }


async def test_earlier_incidents_come_with_their_outcome_and_open_ones_nearby(tmp_path):
    cause = diagnosis_to_json(diagnosis(*REPAIR))
    ends = [
        {"diagnosis": cause, "resolution": "proven"},
        {"diagnosis": cause, "remediation": "rolled_back"},
        {},
    ]
    async with looking(tmp_path) as (look, store):
        for number, data in enumerate(ends, start=2):
            at = START - timedelta(days=number)
            over = incident(
                State.CLOSED, id=f"0{number}", key=f"k{number}", data=data, created_at=at
            )
            await store_incident(store, over)
        near = incident(id="09", key="k9", title="DiskFull on db", labels={"alertname": "DiskFull"})
        await store_incident(store, near)
        seen = await look()
    earlier = seen.facts["Earlier incidents of this alert"].splitlines()
    assert [line.split(" ", 2)[2].partition(":")[0] for line in earlier] == [
        "repaired and proven",
        "a repair was taken back",
        "ended by itself",
    ]
    assert "The pool was cut to one connection." in earlier[0]
    assert "DB_POOL_SIZE" in earlier[0]
    assert "no cause found" in earlier[2]
    assert seen.facts["Other open incidents"].startswith("09 DiskFull on db: triggered since")
