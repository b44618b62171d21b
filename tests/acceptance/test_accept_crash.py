"""kill -9 at every boundary: after the restart the incident goes on, and no effect happens twice."""

import asyncio
from pathlib import Path

import pytest

from stack.embedded import DEFAULT_POLICY
from tests.support.shop import running_shop

MOMENTS = {
    "before anything is changed": (
        "after save investigating",
        "after tool call",
        "before save diagnosed",
        "after save diagnosed",
        "after save remediating",
        "after plan forward",
    ),
    "while the system is changed": (
        "after intend config.set",
        "before settle config.set",
        "after settle config.set",
        "after intend service.redeploy",
        "before settle service.redeploy",
    ),
    "when the repair is done": (
        "before save verifying",
        "after save verifying",
        "before save resolved",
        "after save resolved",
        "before save closed",
    ),
}


async def break_at(shop, moment):
    """One incident with one kill; everything that must hold afterwards."""
    crash_at = shop.stack.root / "daemon" / "crash-at"
    good, deploys = shop.file(), len(shop.deploys())
    _, pid = await shop.stack.status("sre-daemon")
    crash_at.write_text(moment)
    await shop.stack.inject("pool-size")
    name = await shop.incident()
    incident = await shop.reaches(name, "closed", "escalated")
    story = f"killed {moment}\n{await shop.story(name)}"
    assert not crash_at.exists(), f"the moment never came: {story}"
    assert (await shop.stack.status("sre-daemon"))[1] != pid
    assert incident["state"] == "closed", story
    assert incident["resolution"] == "proven", story
    assert shop.file() == good, story
    assert shop.deploys()[deploys:] == ["alice", "sre-daemon"], story
    assert [effect["state"] for effect in incident["effects"]] == ["applied", "applied"], story
    assert [run["outcome"] for run in incident["runs"]].count("running") == 0, story
    await shop.quiet()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", MOMENTS)
async def test_kill_at_each_boundary_loses_nothing_and_repeats_nothing(tmp_path, when):
    tmp_path.chmod(0o755)
    policy = tmp_path / "policy.yaml"
    # As many repairs as there are kills: the budget of the demo's policy is for one night.
    policy.write_text(DEFAULT_POLICY.read_text().replace("per_hour: 10", "per_hour: 100"))
    command = ("-m", "tests.support.crashing_daemon")
    # The daemon under test lives in the tests' own folder.
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    root, moments = tmp_path / "shop", MOMENTS[when]
    async with running_shop(root, policy=policy, daemon_command=command, daemon_env=path) as shop:
        for moment in moments:
            async with asyncio.timeout(90):
                await break_at(shop, moment)
        # Every accepted notification belongs to an incident, and every incident came to its end.
        with shop.database() as database:
            stored = database.execute("SELECT count(*) FROM notifications").fetchone()[0]
            reports = database.execute("SELECT sum(reports) FROM episodes").fetchone()[0]
            states = dict(database.execute("SELECT state, count(*) FROM incidents GROUP BY state"))
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert stored >= len(moments)
        assert reports >= len(moments)
        assert states == {"closed": len(moments)}
