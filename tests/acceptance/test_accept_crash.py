"""kill -9 at every boundary: after the restart the incident goes on, and no effect happens twice.

One incident is killed at each boundary of its way, one after the other; a second one, whose repair
does not help, at each boundary of taking it back.
"""

from pathlib import Path

import httpx
import pytest

from sre_daemon.domain.sender import Sender
from sre_daemon.intake.payload import parse
from stack.embedded import DEFAULT_POLICY
from stack.files import HERE
from tests.support.clock import START
from tests.support.shop import running_shop

REPAIR = (
    "before accept",
    "after accept",
    "after save investigating",
    "after tool call",
    "before save diagnosed",
    "after save diagnosed",
    "before save remediating",
    "after save remediating",
    "after plan forward",
    "before intend config.set",
    "after intend config.set",
    "before settle config.set",
    "after settle config.set",
    "after intend service.redeploy",
    "before settle service.redeploy",
    "after settle service.redeploy",
    "before save verifying",
    "after save verifying",
    "before save resolved",
    "after save resolved",
    "before save closed",
)
ASKED = ("after save awaiting_approval", "after intend config.set")
TAKING_BACK = (
    "after save verifying",
    "after plan rollback",
    "after intend config.set",
    "before settle config.set",
    "after settle config.set",
    "after intend service.redeploy",
    "before settle service.redeploy",
    "before save escalated",
    "after save escalated",
)
# What the runbook says about held connections, with a repair that helps nobody.
CURE = "    propose: []\n"
BAND_AID = """\
    propose:
      - {effect: config.set, path: config/api-server.env, key: DB_POOL_SIZE, before: '{config.DB_POOL_SIZE}', after: '30'}
      - {effect: service.redeploy, service: api-server}
"""


def crashing(folder, autonomy="auto"):
    """A shop whose daemon can be told when to die, and whose runbooks know a band-aid."""
    folder.chmod(0o755)
    policy, books = folder / "policy.yaml", folder / "runbooks"
    text = DEFAULT_POLICY.read_text().replace("within: 60s", "within: 12s")
    policy.write_text(text.replace("autonomy: auto", f"autonomy: {autonomy}"))
    books.mkdir()
    for page in (HERE / "runbooks").glob("*.md"):
        (books / page.name).write_text(page.read_text().replace(CURE, BAND_AID))
    return running_shop(
        folder / "shop",
        policy=policy,
        # Redeploys under a held lock make the alerts come and go; what flaps stays with a person
        # for half an hour, which is not what is tested here.
        settings={"runbooks": [str(books)], "correlation": {"linger": "0s", "flaps": 99}},
        daemon_command=("-m", "tests.support.crashing_daemon"),
        # The daemon under test lives in the tests' own folder.
        daemon_env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )


def order(shop, moments):
    """The list that the daemon works off; what is left of it says which moment never came."""
    file = shop.stack.root / "daemon" / "crash-at"
    file.write_text("".join(f"{moment}\n" for moment in moments))
    return file


def everything_ended(shop):
    """Each accepted notification's alerts belong to incidents, and each incident came to its end."""
    with shop.database() as database:
        incident_of = dict(database.execute("SELECT identity, incident_id FROM episodes"))
        states = dict(database.execute("SELECT id, state FROM incidents"))
        bodies = database.execute("SELECT body FROM notifications").fetchall()
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    alerts = [a for (body,) in bodies for a in parse(body, START, Sender("default"), "peer").alerts]
    real = [alert for alert in alerts if alert.name != "Watchdog"]
    assert real
    assert {states[incident_of[alert.identity]] for alert in real} == {"closed"}
    assert set(states.values()) == {"closed"}


@pytest.mark.timeout(400)
async def test_kill_at_each_boundary_loses_nothing_and_repeats_nothing(tmp_path):
    async with crashing(tmp_path) as shop:
        good, left = shop.file(), order(shop, REPAIR)
        await shop.stack.inject("pool-size")
        name = await shop.incident()
        incident = await shop.reaches(name, "closed", "escalated", within=300)
        story = await shop.story(name)
        assert left.read_text() == "", f"never came: {left.read_text()}\n{story}"
        assert (incident["state"], incident["resolution"]) == ("closed", "proven"), story
        assert shop.file() == good, story
        assert shop.deploys() == ["release", "alice", "sre-daemon"], story
        assert [effect["state"] for effect in incident["effects"]] == ["applied", "applied"], story
        assert "running" not in {run["outcome"] for run in incident["runs"]}, story
        await shop.quiet()
        everything_ended(shop)


@pytest.mark.timeout(400)
async def test_kill_at_each_boundary_of_taking_back_takes_back_once(tmp_path):
    async with crashing(tmp_path) as shop:
        good, left = shop.file(), order(shop, TAKING_BACK)
        await shop.stack.inject("table-lock")
        name = await shop.incident()
        await shop.reaches(name, "closed", "escalated", within=300)
        # The last kill is right behind the save; whoever comes after it finds the incident so.
        incident = await shop.reaches(name, "escalated")
        story = await shop.story(name)
        assert left.read_text() == "", f"never came: {left.read_text()}\n{story}"
        assert [
            (e["direction"], e["effect"]["effect"], e["state"]) for e in incident["effects"]
        ] == [
            ("forward", "config.set", "applied"),
            ("forward", "service.redeploy", "applied"),
            ("rollback", "config.set", "applied"),
            ("rollback", "service.redeploy", "applied"),
        ], story
        assert shop.file() == good, story
        assert shop.deploys() == ["release", "sre-daemon", "sre-daemon"], story
        await shop.stack.heal()
        await shop.quiet()
        everything_ended(shop)


async def approve(shop, name, digest):
    """Say yes to this digest; the answer, once the daemon is there to give one."""

    async def ask():
        try:
            return await shop.post(f"/incidents/{name}/approve", {"digest": digest, "reason": "ok"})
        except httpx.HTTPError:
            return None

    return await shop.until(ask, lambda answer: answer is not None)


async def test_an_approval_survives_kills_and_acts_exactly_once(tmp_path):
    async with crashing(tmp_path, "ask") as shop:
        good, left = shop.file(), order(shop, ASKED)
        await shop.stack.inject("pool-size")
        name = await shop.incident()
        # The process that asked is killed; the one that gets the answer is another.
        asked = (await shop.reaches(name, "awaiting_approval"))["approval"]
        assert shop.file() != good
        given = await approve(shop, name, asked["digest"])
        assert given["state"] == "granted", given
        incident = await shop.reaches(name, "closed", "escalated", within=120)
        story = await shop.story(name)
        assert left.read_text() == "", f"never came: {left.read_text()}\n{story}"
        assert (incident["state"], incident["resolution"]) == ("closed", "proven"), story
        assert incident["approval"]["state"] == "used", story
        assert shop.file() == good, story
        assert shop.deploys() == ["release", "alice", "sre-daemon"], story
        again = await approve(shop, name, asked["digest"])
        assert again["error"]["code"] == "conflict", again
        assert shop.deploys() == ["release", "alice", "sre-daemon"], story
