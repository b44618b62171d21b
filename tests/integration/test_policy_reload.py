"""Putting the policy file in force in a running daemon: whole or not at all, seen by everybody."""

import asyncio
import contextlib
import hashlib
import html
import re
from datetime import timedelta

import aiohttp
import pytest
from typer.testing import CliRunner

from sre_daemon.app import Daemon
from sre_daemon.cli.main import app
from sre_daemon.clock import SystemClock
from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.trial import Trial, TrialOutcome
from sre_daemon.errors import PolicyFileError, StoreUnavailable
from sre_daemon.policy.autonomy import rule_digest
from sre_daemon.settings import Secrets, load
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from tests.support.front import API_TOKEN

POLICY = """\
version: 1
mode: act
policies:
  - name: first
    matchers: ['alertname="A"']
    autonomy: auto
    allow: [{effect: service.restart, service: api}]
"""
HEADERS = {"Authorization": f"Bearer {API_TOKEN}"}
SETTINGS = (
    "listen: 127.0.0.1:0\ndata_dir: data\nprometheus: {url: 'http://127.0.0.1:1'}\n"
    "alertmanagers: ['http://127.0.0.1:1']\nreconcile: {interval: 1h}\npolicy: policy.yaml\n"
)


@contextlib.asynccontextmanager
async def running(folder, policy=POLICY):
    (folder / "policy.yaml").write_text(policy)
    (folder / "sre-daemon.yaml").write_text(SETTINGS)
    secrets = Secrets(webhook_token="w" * 20, api_token=API_TOKEN)
    daemon = await Daemon.start(load(folder / "sre-daemon.yaml"), secrets)
    try:
        async with aiohttp.ClientSession(daemon.url, headers=HEADERS) as http:
            yield daemon, http
    finally:
        await daemon.stop()


async def json_of(request):
    async with request as answer:
        return answer.status, await answer.json()


async def reload(http):
    return await json_of(http.post("/-/reload"))


async def explained(http, **labels):
    params = [("label", f"{name}={value}") for name, value in labels.items()]
    return (await json_of(http.get("/api/v1/policy/explain", params=params)))[1]


async def metrics(http):
    """The metrics of the policy, by their names."""
    async with http.get("/metrics") as answer:
        text = await answer.text()
    found = re.findall(r"^sre_daemon_policy_((?:reload|info|file)\S*) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


async def audited(folder):
    """What the audit log of a daemon that has stopped says about reloads."""
    base = database("sqlite", folder / "data", "")
    store = SqlStore(base)
    await store.open()
    try:
        lines = [line async for line in AuditLog(base).lines()]
    finally:
        await store.close()
    return [line.entry for line in lines if line.entry.kind == "reload"]


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


async def test_an_edit_counts_when_somebody_reloads(tmp_path):
    edited = POLICY.replace("first", "second")
    async with running(tmp_path) as (_, http):
        assert (await explained(http, alertname="A"))["policy"] == "first"
        (tmp_path / "policy.yaml").write_text(edited)
        assert (await explained(http, alertname="A"))["policy"] == "first"
        status, answer = await reload(http)
        assert (status, answer) == (
            200,
            {"digest": digest(edited), "before": digest(POLICY), "changed": True},
        )
        assert (await explained(http, alertname="A"))["policy"] == "second"
        assert (await reload(http))[1]["changed"] is False
    start, first, again = await audited(tmp_path)
    assert (start.who, start.data["digest"]) == ("daemon", digest(POLICY))
    assert (first.who, first.data) == (
        "api admin",
        {"before": digest(POLICY), "digest": digest(edited)},
    )
    assert again.data["before"] == again.data["digest"]


async def test_a_broken_file_keeps_the_policy_and_says_so(tmp_path):
    async with running(tmp_path) as (daemon, http):
        good = await metrics(http)
        assert good["reload_success"] == 1
        assert good["reload_success_timestamp_seconds"] > 0
        assert good[f'info{{digest="{digest(POLICY)}"}}'] == 1
        (tmp_path / "policy.yaml").write_text(POLICY + "unknown: 1\n")
        status, answer = await reload(http)
        assert status == 409
        assert answer["error"]["message"].endswith(
            "policy.yaml:8: unknown: Extra inputs are not permitted"
        )
        with pytest.raises(PolicyFileError):
            await daemon.reload("SIGHUP")
        assert (await explained(http, alertname="A"))["verdict"] == "deny"
        assert (await explained(http, alertname="A"))["policy"] == "first"
        broken = await metrics(http)
        assert broken["reload_success"] == 0
        assert {
            k: v for k, v in broken.items() if not k.startswith(("reload_success", "file"))
        } == {f'info{{digest="{digest(POLICY)}"}}': 1}
        assert (
            broken["reload_success_timestamp_seconds"] == good["reload_success_timestamp_seconds"]
        )
        _, shown = await json_of(http.get("/api/v1/status"))
        assert shown["mode"] == "act"
        assert (shown["policy"]["digest"], shown["policy"]["differs"]) == (digest(POLICY), True)
        assert "unknown" in shown["policy"]["failure"]
        async with asyncio.timeout(10):
            while True:
                if (await metrics(http))["file_differs"] == 1:
                    break
                await asyncio.sleep(0.05)
        (tmp_path / "policy.yaml").write_text(POLICY)
        assert (await reload(http))[0] == 200
        assert (await metrics(http))["reload_success"] == 1
    entries = await audited(tmp_path)
    assert [entry.data.get("failure", "") != "" for entry in entries] == [False, True, True, False]
    assert entries[2].who == "SIGHUP"


async def test_a_daemon_that_starts_with_a_broken_file_takes_alerts_and_changes_nothing(tmp_path):
    async with running(tmp_path, "mode: [") as (_, http):
        assert (await json_of(http.get("/readyz")))[0] == 200
        found = await metrics(http)
        assert (found["reload_success"], found["reload_success_timestamp_seconds"]) == (0, 0)
        assert not any(name.startswith("info") for name in found)
        _, shown = await json_of(http.get("/api/v1/status"))
        assert shown["mode"].startswith("nothing is changed: ")
        (tmp_path / "policy.yaml").write_text(POLICY)
        assert (await reload(http))[0] == 200
        assert (await explained(http, alertname="A"))["policy"] == "first"


async def test_a_file_that_was_taken_away_is_a_no_at_once(tmp_path):
    async with running(tmp_path) as (_, http):
        (tmp_path / "policy.yaml").unlink()
        status, answer = await json_of(http.get("/api/v1/policy/explain", params={"label": "a=b"}))
        assert (status, answer["error"]["code"]) == (409, "conflict")
        _, shown = await json_of(http.get("/api/v1/status"))
        assert "cannot be read" in shown["mode"]


async def test_a_reload_that_cannot_be_recorded_does_not_happen(tmp_path):
    async with running(tmp_path) as (daemon, http):
        (tmp_path / "policy.yaml").write_text(POLICY.replace("first", "second"))
        await daemon._control.store.close()
        with pytest.raises(StoreUnavailable):
            await daemon.reload("SIGHUP")
        assert daemon._control.policy.current().policies[0].name == "first"
        assert (await reload(http))[0] == 503


async def test_explain_counts_what_was_done_lately_unless_another_time_is_named(tmp_path):
    async with running(tmp_path) as (_, http):
        params = [("label", "alertname=A"), ("effect", "service.restart:api")]
        url = "/api/v1/policy/explain"
        assert (await json_of(http.get(url, params=params)))[1]["verdict"] == "allow"
        await json_of(http.post("/api/v1/pause", json={"reason": "release"}))
        paused = (await json_of(http.get(url, params=params)))[1]
        assert (paused["verdict"], paused["reason"]) == ("deny", "paused")
        at = [*params, ("at", "2026-03-14T02:00:00Z")]
        assert (await json_of(http.get(url, params=at)))[1]["verdict"] == "allow"


async def test_explain_and_the_page_show_what_a_policy_lost_by_its_record(tmp_path):
    async with running(tmp_path) as (daemon, http):
        before = await explained(http, alertname="A")
        assert (before["autonomy"], before["reason"]) == ("auto", "no_effects")
        rule = daemon._control.policy.current().policies[0]
        now, failed = SystemClock().now(), TrialOutcome.FAILED
        trial = Trial("first", "i1", 1, Autonomy.AUTO, failed, now, rule_digest(rule))
        assert await daemon._control.trials.add(trial)
        after = await explained(http, alertname="A")
        assert after["autonomy"] == "ask"
        told = "· autonomy auto, but by its record ask"
        assert told in [line.strip() for line in after["lines"]]
        # By then it had not failed yet.
        params = [("label", "alertname=A"), ("at", (now - timedelta(days=1)).isoformat())]
        answer = await json_of(http.get("/api/v1/policy/explain", params=params))
        assert answer[1]["autonomy"] == "auto"
        async with http.get("/policy", params={"labels": "alertname=A"}) as page:
            text = await page.text()
        assert text.count("autonomy auto, but by its record ask") == 2  # the rule, and the tree
        assert '<span class="level ask">ask</span>' in text
        # In the terminal, the API and on the page it is the same tree.
        env = {"SRE_DAEMON_URL": daemon.url, "SRE_DAEMON_API_TOKEN": API_TOKEN}
        command = ["policy", "explain", "--alert", "alertname=A"]
        said = await asyncio.to_thread(CliRunner().invoke, app, command, env=env)
        for line in after["lines"]:
            assert f"  {line}\n" in said.stdout
            assert html.escape(line) in text


@pytest.mark.parametrize(
    "params",
    [
        [("label", "alertname")],
        [("label", "a=b"), ("label", "a=c")],
        [("label", "a=b"), ("effect", "rm -rf")],
        [("label", "a=b"), ("effect", '{"a":' * 500)],
        [("label", "a=b"), ("at", "yesterday")],
    ],
)
async def test_a_question_that_cannot_be_understood_is_refused(tmp_path, params):
    async with running(tmp_path) as (_, http):
        status, answer = await json_of(http.get("/api/v1/policy/explain", params=params))
        assert (status, answer["error"]["code"]) == (400, "bad_request")
