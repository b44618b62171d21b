"""The tool server without a daemon: with a policy it writes what that lets happen alone, and no more."""

import json
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.effect import to_json
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import TargetUnavailable
from sre_daemon.executor.alone import AloneGate
from sre_daemon.executor.guardrails import GuardrailFile
from sre_daemon.policy.source import PolicyFile
from tests.support.clock import START, ManualClock
from tests.support.factories import LABELS, REDEPLOY, SET_POOL
from tests.support.repairs import POLICY
from tests.support.tool_server import REPOSITORY, prometheus, text, tree, wait_for

FIRING = """groups:
- name: shop
  rules:
  - {alert: ApiDbPoolExhausted, expr: vector(1), labels: {service: api-server}}
"""
EDIT = {"path": "config/api-server.env", "key": "DB_POOL_SIZE", "old_value": "1", "new_value": "20"}
OTHER = {
    "path": "config/api-server.env",
    "key": "DB_POOL_TIMEOUT",
    "old_value": "2",
    "new_value": "5",
}


class Sees:
    """What fires, as a test says."""

    def __init__(self, *labels):
        self.labels = labels or (LABELS,)
        self.guard = True
        self.down = False

    async def audible(self):
        if self.down:
            raise TargetUnavailable("Prometheus is away")
        return [Alert(labels, AlertStatus.FIRING, START) for labels in self.labels]

    async def holds(self, _query):
        return self.guard


class Bench:
    """A gate, and what it told."""

    def __init__(self, folder, sees=None):
        self.file = folder / "policy.yaml"
        self.file.write_text(POLICY)
        self.guardrails = folder / "guardrails.yaml"
        self.guardrails.write_text("version: 1\nfiles: {config/api-server.env: {}}\n")
        self.sees, self.clock, self.told = sees or Sees(), ManualClock(), []
        self.gate = self.made(None)

    def made(self, guardrails):
        return AloneGate(
            "t0ken",
            PolicyFile(self.file),
            GuardrailFile(guardrails),
            self.sees,
            self.clock,
            self.told.append,
        )

    async def ask(self, *effects, token="t0ken"):
        question = {"token": token, "effects": [to_json(effect) for effect in effects]}
        return (await self.gate.answer(json.dumps(question).encode())).reason


async def test_what_the_policy_lets_happen_alone_is_allowed_once_for_each_target(tmp_path):
    bench = Bench(tmp_path)
    assert await bench.ask(SET_POOL) is Reason.ALLOWED
    assert await bench.ask(REDEPLOY) is Reason.ALLOWED
    assert await bench.ask(SET_POOL) is Reason.ATTEMPTS_SPENT
    assert [line.partition(":")[0] for line in bench.told] == ["allowed", "allowed", "refused"]
    bench.clock.advance(timedelta(hours=25).total_seconds())
    assert await bench.ask(SET_POOL) is Reason.ALLOWED


async def test_limits_hold_over_all_alerts(tmp_path):
    bench = Bench(tmp_path)
    assert await bench.ask(SET_POOL) is Reason.ALLOWED
    bench.sees.labels = (LABELS | {"env": "other"},)
    assert await bench.ask(REDEPLOY) is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("autonomy: auto", "autonomy: ask"), Reason.AUTONOMY),
        (("mode: act", "mode: observe"), Reason.MODE_CEILING),
        (("max: 100", "max: 10"), Reason.VALUE_OUT_OF_BOUNDS),
        (("key: DB_POOL_SIZE", "key: OTHER"), Reason.EFFECT_NOT_ALLOWED),
        (('"ApiDbPoolExhausted"', '"Another"'), Reason.ALERT_NOT_FIRING),
        (("version: 1", "version: 2"), Reason.NO_POLICY),
    ],
)
async def test_everything_else_is_refused(tmp_path, change, reason):
    bench = Bench(tmp_path)
    bench.file.write_text(POLICY.replace(*change))
    assert await bench.ask(SET_POOL) is reason
    bench.file.write_text(POLICY)
    assert await bench.ask(SET_POOL) is Reason.ALLOWED


async def test_nothing_is_allowed_by_who_may_not_ask_or_while_nothing_can_be_seen(tmp_path):
    bench = Bench(tmp_path)
    assert await bench.ask(SET_POOL, token="other") is Reason.UNKNOWN_TOKEN
    assert await bench.ask() is Reason.UNKNOWN_TOKEN
    for line in (
        b"",
        b"[]",
        b"{",
        b'{"token": "t0ken", "effects": [{"effect": "x"}]}',
        b"[" * 9999,
    ):
        assert (await bench.gate.answer(line)).reason is Reason.EFFECT_NOT_ALLOWED
    bench.sees.down = True
    assert await bench.ask(SET_POOL) is Reason.NO_DATA
    bench.sees.down = False
    bench.sees.labels = ({"alertname": "Unrelated"},)
    assert await bench.ask(SET_POOL) is Reason.ALERT_NOT_FIRING
    bench.sees.labels = (LABELS,)
    bench.file.write_text(POLICY.replace("    limits", "    guards: ['up == 1']\n    limits", 1))
    bench.sees.guard = False
    assert await bench.ask(SET_POOL) is Reason.GUARD_FAILED
    bench.gate = bench.made(bench.guardrails)
    assert await bench.ask(SET_POOL) is Reason.GUARDRAIL


async def test_a_refused_part_keeps_the_whole_from_being_counted(tmp_path):
    bench = Bench(tmp_path)
    bench.file.write_text(
        POLICY.replace("service.redeploy, service: api-server", "service.redeploy, service: b")
    )
    assert await bench.ask(SET_POOL, REDEPLOY) is Reason.EFFECT_NOT_ALLOWED
    assert await bench.ask(SET_POOL) is Reason.ALLOWED


@asynccontextmanager
async def started(config, policy):
    """`sre-daemon tools` as a client of its user starts it."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=[
            "-m",
            "sre_daemon.cli.main",
            "tools",
            "--policy",
            str(policy),
            "--config",
            str(config),
        ],
        cwd=REPOSITORY,
    )
    async with Client(stdio_client(parameters)) as client:
        yield client


async def test_any_client_can_repair_within_the_policy_while_the_alert_fires(tmp_path):
    folder, policy = tmp_path / "p", tmp_path / "policy.yaml"
    folder.mkdir()
    policy.write_text(POLICY)
    with prometheus(folder, FIRING) as url:
        wait_for(
            lambda: "firing" in httpx.get(f"{url}/api/v1/alerts").text,
            "the alert fires",
            seconds=30,
        )
        config = tree(tmp_path / "t", prometheus={"url": url})
        env = tmp_path / "t" / "config" / "api-server.env"
        async with started(config, policy) as client:
            refused = await client.call_tool("edit_config_file", OTHER)
            assert "Refused (effect_not_allowed)" in text(refused)
            done = await client.call_tool("edit_config_file", EDIT)
            assert not done.is_error, text(done)
            assert "DB_POOL_SIZE=20\n" in env.read_text()
            assert "DB_POOL_TIMEOUT=2\n" in env.read_text()
