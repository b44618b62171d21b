"""The commands against a real front door, and the process that `serve` is."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from sre_daemon import __version__
from sre_daemon.cli.main import app, exit_code
from tests.integration.test_web_console import HOSTILE, put_incident
from tests.support.front import API_TOKEN, front_door

POLICY = """\
version: 1
mode: act
policies:
  - name: restore-pool
    matchers: ['alertname="PoolExhausted"']
    autonomy: auto
    allow:
      - effect: config.set
        path: config/a.env
        key: POOL
        value: {type: integer, min: 5, max: 100}
      - {effect: service.redeploy, service: api}
"""


async def command(door, *arguments, token=API_TOKEN):
    """Run a command in a thread, so that the door can answer it; errors as `run` codes them."""
    env = {"SRE_DAEMON_URL": door.url, "SRE_DAEMON_API_TOKEN": token}
    answer = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=env)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        return exit_code(answer.exception), str(answer.exception)
    return answer.exit_code, answer.stdout


async def test_incidents_are_listed_and_shown_without_power_over_the_terminal(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        for arguments in (("incident", "list"), ("incident", "show", "i1")):
            code, text = await command(door, *arguments)
            assert code == 0
            assert "escalated" in text
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "\\u202e" in text


async def test_json_is_for_programs_and_loses_nothing(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        _, text = await command(door, "incident", "list", "--json")
        assert json.loads(text)["incidents"][0]["title"] == HOSTILE
        _, text = await command(door, "incident", "show", "i1", "--json")
        item = json.loads(text)
        assert item["diagnosis"]["evidence"][0]["call"] == "c1"
        assert [event["kind"] for event in item["timeline"]] == ["step", "note"]


async def test_filters_reach_the_daemon(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        _, text = await command(door, "incident", "list", "--state", "closed", "--json")
        assert json.loads(text)["incidents"] == []
        assert (await command(door, "incident", "list", "--state", "odd"))[0] == 1


@pytest.mark.parametrize("name", ["nothing", "../status", "a/b", "%2e%2e"])
async def test_unknown_incident_is_1(tmp_path, name):
    async with front_door(tmp_path) as door:
        assert (await command(door, "incident", "show", name))[0] == 1


async def test_pause_and_resume_carry_the_reason(tmp_path):
    async with front_door(tmp_path) as door:
        assert (await command(door, "pause", "--reason", "release"))[0] == 0
        assert door.control.paused == "api admin: release"
        assert await command(door, "resume", "--reason", "done", "--json") == (
            0,
            '{\n  "paused": false\n}\n',
        )
        assert door.control.paused is None
        assert (await command(door, "pause"))[0] == 2


async def test_wrong_token_is_2_and_is_not_printed(tmp_path):
    async with front_door(tmp_path) as door:
        code, text = await command(door, "incident", "list", token="wrong-token-value")
        assert code == 2
        assert "SRE_DAEMON_API_TOKEN" in text
        assert "wrong-token-value" not in text


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://127.0.0.1:1", 3), ("nonsense", 2), ("ftp://127.0.0.1", 2), ("http://[", 2)],
)
def test_addresses_that_do_not_answer_are_3_and_nonsense_is_2(url, code):
    answer = CliRunner().invoke(app, ["incident", "list", "--url", url])
    assert exit_code(answer.exception) == code


def explain(tmp_path, *arguments):
    (tmp_path / "policy.yaml").write_text(POLICY)
    file = str(tmp_path / "policy.yaml")
    answer = CliRunner().invoke(app, ["policy", "explain", "--policy", file, "--json", *arguments])
    return answer.exit_code, json.loads(answer.stdout) if answer.stdout else None


def test_policy_explain_answers_by_exit_code(tmp_path):
    pool = ("--alert", "alertname=PoolExhausted")
    code, answer = explain(tmp_path, *pool)
    assert (code, answer["policy"]) == (0, "restore-pool")
    assert explain(tmp_path, *pool, "--effect", "service.redeploy:api")[0] == 0
    code, answer = explain(tmp_path, *pool, "--effect", "config.set:config/a.env:POOL=500")
    assert (code, answer["reason"]) == (1, "value_out_of_bounds")
    code, answer = explain(tmp_path, "--alert", "alertname=Other", "--at", "2026-05-01T14:00:00Z")
    assert (code, answer["reason"]) == (1, "no_policy")
    assert explain(tmp_path)[0] == 2


def test_policy_explain_is_readable(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    answer = CliRunner().invoke(
        app,
        [
            *("policy", "explain", "--policy", str(tmp_path / "policy.yaml")),
            *("--alert", "alertname=PoolExhausted", "--effect", "service.redeploy:api"),
        ],
    )
    assert answer.exit_code == 0
    assert "policy   restore-pool" in answer.stdout
    assert "allows   config.set: path config/a.env, key POOL" in answer.stdout
    assert "allow (allowed): " in answer.stdout


async def test_policy_explain_asks_the_daemon_without_a_file(tmp_path):
    async with front_door(tmp_path) as door:
        await command(door, "policy", "explain", "--alert", "alertname=X", "--json")
        assert door.control.explained == {"alertname": "X"}


def test_version_is_the_packages():
    assert CliRunner().invoke(app, ["version"]).stdout.strip() == __version__


async def process(*arguments, **env):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sre_daemon.cli.main", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | env,
        cwd=Path(__file__).parents[2],
    )


async def test_expected_errors_are_two_lines_and_no_traceback(tmp_path):
    child = await process("serve", "--config", str(tmp_path / "none.yaml"))
    _, stderr = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 2
    assert stderr.decode().splitlines() == [
        f"error: {tmp_path}/none.yaml: cannot be read: No such file or directory",
        "  check the path and its permissions",
    ]


@asynccontextmanager
async def serving(folder, **settings):
    """`serve` as a process; yields it and its address."""
    text = {
        "listen": "127.0.0.1:0",
        "data_dir": "data",
        "prometheus": {"url": "http://127.0.0.1:1"},
    }
    (folder / "s.yaml").write_text(json.dumps(text | settings))
    (folder / ".env").write_text("SRE_DAEMON_WEBHOOK_TOKEN=hook\n")
    child = await process("serve", "--config", str(folder / "s.yaml"))
    try:
        line = (await asyncio.wait_for(child.stdout.readline(), 30)).decode()
        yield child, line.split()[-1] if line else ""
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_serve_says_where_and_stops_when_asked(tmp_path):
    async with serving(tmp_path) as (child, url):
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{url}/healthz")).status_code == 200
            assert (await http.get(f"{url}/readyz")).status_code == 200
            refused = await http.post(f"{url}/webhook/alertmanager", content=b"{}")
            assert refused.status_code == 401
            page = await http.get(url, headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert "nothing is changed: no policy file" in page.text
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 20) == 0


async def test_hang_up_puts_the_policy_in_force_or_says_why_not(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    async with serving(tmp_path, policy="policy.yaml") as (child, url):
        (tmp_path / "policy.yaml").write_text("mode: nonsense\n")
        child.send_signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            while b"policy not reloaded" not in await child.stderr.readline():
                pass
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{url}/healthz")).status_code == 200
            assert "sre_daemon_policy_reload_success 0" in (await http.get(f"{url}/metrics")).text
        (tmp_path / "policy.yaml").write_text(POLICY + "\n")
        child.send_signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            while b"policy reloaded" not in await child.stderr.readline():
                pass


async def test_signal_pauses_and_a_restart_does_not_resume(tmp_path):
    async def paused(url):
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{url}/api/v1/status")).json()["paused"]

    async with serving(tmp_path) as (child, url):
        assert not await paused(url)
        child.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(20):
            while True:
                if await paused(url):
                    break
                await asyncio.sleep(0.05)
    # It was killed.
    async with serving(tmp_path) as (_, url):
        assert "SIGUSR1" in str(await paused(url))


async def test_address_in_use_is_a_configuration_error(tmp_path):
    async with serving(tmp_path) as (_, url):
        other = tmp_path / "other"
        other.mkdir()
        async with serving(other, listen=url.removeprefix("http://")) as (child, _):
            stderr = (await asyncio.wait_for(child.stderr.read(), 20)).decode()
            assert await child.wait() == 2
            assert "cannot listen on" in stderr
            assert "Traceback" not in stderr


async def test_tools_starts_the_tool_server():
    child = await process("tools", "--phase", "nonsense")
    _, stderr = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 2
    assert b"mcp_tools: error" in stderr
