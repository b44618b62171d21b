"""The whole loop with the runbook engine: real rules, real webhook, real pool, real repair."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from stack.postgres import PASSWORD
from tests.support import dashboard
from tests.support.endpoint import endpoint
from tests.support.shop import running_shop

pytestmark = pytest.mark.timeout(200)
REPOSITORY = Path(__file__).parents[2]
# What may be empty after one repair that went well: other endings, money, the next moment.
MAYBE = {
    *("Approvals", "Approval wait", "Budget left", "Taken back", "Model failures", "Failed calls"),
    *("By state", "Longest in a state", "Heartbeat", "Comparisons", "Found by comparison"),
    # A series that begins with its first event shows no increase.
    *("Moves", "Verdicts"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory):
    """One shop for the first tests of this file; each leaves it as it was."""
    folder = tmp_path_factory.mktemp("runbook")
    folder.chmod(0o755)
    async with endpoint() as people:
        told = {"notify": {"channels": [{"kind": "webhook", "url": people.url}]}}
        async with running_shop(folder / "shop", settings=told) as running:
            yield running


@pytest.mark.asyncio(loop_scope="module")
async def test_broken_pool_is_found_repaired_proven_and_written_down(shop):
    good = shop.file()
    await shop.stack.inject("pool-size")
    assert b"DB_POOL_SIZE=1\n" in shop.file()
    name = await shop.incident()
    incident = await shop.reaches(name, "closed", "escalated")

    assert await shop.states(name) == [
        "triggered",
        "investigating",
        "diagnosed",
        "remediating",
        "verifying",
        "resolved",
        "closed",
    ], await shop.story(name)
    assert incident["resolution"] == "proven"
    assert incident["policy"] == "restore-db-pool"
    assert "DB_POOL_SIZE" in incident["diagnosis"]["root_cause"]
    assert all(item["supported"] for item in incident["diagnosis"]["evidence"])
    assert [(e["direction"], e["effect"]["effect"], e["state"]) for e in incident["effects"]] == [
        ("forward", "config.set", "applied"),
        ("forward", "service.redeploy", "applied"),
    ]
    # Seen from outside: the file is byte for byte the good one, the pool is live, all is quiet.
    assert shop.file() == good
    assert await shop.value('db_pool_size{service="api-server"}') == 20
    assert await shop.firing() == set()
    assert shop.deploys() == ["release", "alice", "sre-daemon"]

    kinds = [event["kind"] for event in await shop.events(name)]
    order = ["alert", "step", "diagnosis", "verdict", "effect", "verification", "postmortem"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    text = Path(incident["postmortem"]).read_text()
    assert "repaired by the daemon and proven" in text
    assert "DB\\_POOL\\_SIZE" in text

    metrics = (await shop.http.get(f"{shop.stack.daemon}/metrics")).text
    for line in (
        'sre_daemon_agent_runs_total{outcome="diagnosed",phase="investigate"} 1.0',
        'sre_daemon_effects_total{effect="config.set",outcome="applied"} 1.0',
        'sre_daemon_verifications_total{outcome="proven"} 1.0',
        'sre_daemon_tool_calls_total{outcome="ok",tool="edit_config_file"} 1.0',
    ):
        assert line in metrics
    transcript = await shop.api(f"/incidents/{name}/transcript")
    assert {call["tool"] for call in transcript["runs"][0]["calls"]} >= {
        "query_metrics",
        "read_config_file",
        "get_logs",
    }
    await shop.quiet()


async def repaired(shop):
    """A proven repair that ended: that of another test, or one of our own."""
    ended = (await shop.api("/incidents?state=closed"))["incidents"]
    if not ended:
        await shop.stack.inject("pool-size")
        await shop.reaches(await shop.incident(), "closed", "escalated")
        await shop.quiet()


@pytest.mark.asyncio(loop_scope="module")
async def test_every_panel_of_the_dashboard_is_answered_and_shows_the_repair(shop):
    await repaired(shop)
    shown = await dashboard.shown(shop.http, shop.stack.prometheus, window="5m")
    empty = {title for title, values in shown.items() if not values}
    assert empty <= MAYBE, sorted(empty - MAYBE)
    assert shown["Proofs"] == [pytest.approx(1, rel=0.2)]
    assert shown["Proven, and back again"][1] == 0
    assert shown["Accepted, not settled"] == [0]
    assert 50e6 < shown["Memory"][0] < 400e6


@pytest.mark.asyncio(loop_scope="module")
async def test_a_drill_goes_the_whole_way_and_changes_nothing(shop):
    before = shop.target()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sre_daemon.cli.main", "drill", "ApiDbPoolExhausted"),
        *("--label", "service=api-server", "--label", "severity=critical", "--timeout", "60"),
        *("--alertmanager", shop.stack.alertmanager, "--url", shop.stack.daemon),
        env={"PATH": os.environ["PATH"], "SRE_DAEMON_API_TOKEN": shop.stack.api_token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=REPOSITORY,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 90)
    text = printed.decode()
    assert process.returncode == 0, text
    steps = (
        "fires in Alertmanager",
        "investigation begins",
        "-> escalated",
        "-> resolved",
        "is over",
    )
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps)
    assert shop.target() == before
    await shop.quiet()


async def test_the_same_loop_over_postgresql(tmp_path, postgres):
    tmp_path.chmod(0o755)
    settings = {"store": postgres.database()}
    env = {"SRE_DAEMON_STORE_PASSWORD": PASSWORD}
    async with running_shop(tmp_path / "shop", settings=settings, daemon_env=env) as shop:
        good = shop.file()
        await shop.stack.inject("pool-size")
        name = await shop.incident()
        incident = await shop.reaches(name, "closed", "escalated")
        assert incident["resolution"] == "proven", await shop.story(name)
        assert shop.file() == good
        assert not (shop.stack.root / "daemon" / "data" / "sre-daemon.sqlite3").exists()
