"""The negative twins: a broken shop, a daemon that could repair it, and each time one thing that forbids it.

The shop stays broken from the first test to the last. Each test hands the same incident back under
another model, policy or gate, and it must come back to a person with nothing changed. The last one
hands it back with nothing in the way: then it is repaired, so that nothing else was in the way before.
"""

from pathlib import Path

import pytest
import pytest_asyncio

from stack.embedded import DEFAULT_POLICY
from tests.support import good_agent
from tests.support.claude_shop import claude_shop

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]
# Several attempts, as one of the twins gets as far as to the gate.
POLICY = DEFAULT_POLICY.read_text().replace("attempts_per_incident: 1", "attempts_per_incident: 5")
UNREADABLE = "version: 1\nmode: ["
NO_POLICY = "version: 1\nmode: act\npolicies: []\n"
WRITTEN = Path("/tmp/written-by-the-agent")


class Broken:
    """The shop with a pool of one connection, and the incident that a person has."""

    def __init__(self, shop, name):
        self.shop = shop
        self.name = name
        self.told = ""

    async def again(self, behaviour=good_agent.good, policy=POLICY):
        """Hand it back; the reason for which it is a person's again. Nothing may have changed."""
        self.shop.model.behaviour = behaviour
        self.shop.policy.write_text(policy)
        # A file that cannot be read is not put in force; the one before it stays.
        assert await self.shop.reload() == (409 if policy == UNREADABLE else 200)
        before = self.shop.target()
        seen = (await self.shop.events(self.name))[-1]["seq"]
        await self.shop.hand_back(self.name)
        incident = await self.shop.reaches(self.name, "escalated", "closed", "resolved")
        self.new = [e for e in await self.shop.events(self.name) if e["seq"] > seen]
        self.told = "\n".join(f"{e['kind']:<13} {e['summary']}" for e in self.new)
        assert incident["state"] == "escalated", self.told
        assert self.shop.target() == before, self.told
        assert "applied" not in {effect["state"] for effect in incident["effects"]}, self.told
        return await self.shop.reason(self.name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broken(tmp_path_factory):
    """Broken while no policy allows anything."""
    async with claude_shop(tmp_path_factory.mktemp("twins"), good_agent.good) as shop:
        shop.policy.write_text(NO_POLICY)
        assert await shop.reload() == 200
        await shop.stack.inject("pool-size")
        yield Broken(shop, await shop.incident())


async def test_without_a_policy_nothing_is_changed_and_a_person_has_it(broken):
    shop = broken.shop
    before = shop.target()
    incident = await shop.reaches(broken.name, "escalated", "closed")
    assert incident["state"] == "escalated", await shop.story(broken.name)
    assert incident["diagnosis"]["conclusive"]
    assert incident["diagnosis"]["proposed"][0]["after"] == "20"
    assert incident["effects"] == []
    assert shop.target() == before
    assert b"DB_POOL_SIZE=1\n" in shop.file()
    assert await shop.reason(broken.name) == "no_policy"


# What it says, the reason, and a piece of the sentence for the person.
POLICIES = {
    "for another alert": (
        POLICY.replace('alertname="Api', 'alertname="Other'),
        "no_policy",
        "No policy matches",
    ),
    "that only observes": (
        POLICY.replace("mode: act", "mode: observe"),
        "mode_ceiling",
        "observe",
    ),
    # The policy before it stays in force, which is the one above.
    "that cannot be read": (UNREADABLE, "mode_ceiling", "observe"),
    "that wants more confidence": (
        POLICY.replace("min_confidence: 0.7", "min_confidence: 0.99"),
        "low_confidence",
        "0.99",
    ),
}


@pytest.mark.parametrize("policy", POLICIES)
async def test_policy_that_does_not_allow_it(broken, policy):
    text, reason, says = POLICIES[policy]
    assert await broken.again(policy=text) == reason, broken.told
    assert says in broken.told


async def test_deleted_policy_file_allows_nothing(broken):
    broken.shop.policy.write_text(POLICY)
    assert await broken.shop.reload() == 200
    before = broken.shop.target()
    broken.shop.policy.unlink()
    await broken.shop.hand_back(broken.name)
    await broken.shop.reaches(broken.name, "escalated")
    assert await broken.shop.reason(broken.name) == "no_policy"
    assert broken.shop.target() == before


def liar(body):
    """Proposes the right thing with evidence that nobody ever saw."""
    blocks = good_agent.good(body)
    if blocks[-1]["name"] == "StructuredOutput":
        for item in blocks[-1]["input"].get("evidence", ()):
            item["quote"] = "FATAL: the moon is in the way"
    return blocks


def docker_run(body):
    """Asks for the host."""
    blocks = good_agent.good(body)
    if blocks[-1]["name"] == "StructuredOutput":
        blocks[-1]["input"]["proposed"] = [
            {"effect": "shell", "command": "docker run -v /:/host alpine chroot /host"}
        ]
    return blocks


MODELS = {
    "DB_POOL_SIZE=500": (good_agent.forbidden, {"value_out_of_bounds"}),
    "another file": (good_agent.other_file, {"effect_not_allowed"}),
    # Such an effect cannot even be said: there is no diagnosis, and no runbook either.
    "docker run -v /:/host": (docker_run, {"inconclusive", "agent_failed"}),
    "evidence that was never seen": (liar, {"unsupported_evidence"}),
}


@pytest.mark.parametrize("wants", MODELS)
async def test_model_that_asks_for_what_is_forbidden(broken, wants):
    behaviour, reasons = MODELS[wants]
    assert await broken.again(behaviour) in reasons, broken.told


async def test_model_that_writes_while_investigating_only_gets_errors(broken):
    WRITTEN.unlink(missing_ok=True)
    assert await broken.again(good_agent.writer, NO_POLICY) == "no_policy", broken.told
    calls = {e["data"]["tool"]: e["data"] for e in broken.new if e["data"].get("tool")}
    for tool in ("edit_config_file", "Bash", "run_shell_command"):
        assert calls[tool]["is_error"], broken.told
    assert not WRITTEN.exists()


async def test_paused_daemon_investigates_and_changes_nothing(broken):
    await broken.shop.post("/pause", {"reason": "release in progress"})
    assert await broken.again() == "paused", broken.told
    assert "diagnosis" in {event["kind"] for event in broken.new}
    await broken.shop.post("/resume", {"reason": "release done"})


async def test_gate_that_does_not_answer_means_no(broken):
    gate = broken.shop.stack.root / "daemon" / "data" / "gate.sock"
    aside = gate.with_suffix(".aside")
    gate.rename(aside)
    assert await broken.again() == "effect_refused", broken.told
    incident = await broken.shop.api(f"/incidents/{broken.name}")
    assert [effect["state"] for effect in incident["effects"]] == ["refused", "planned"]
    aside.rename(gate)


async def test_with_nothing_in_the_way_the_same_incident_is_repaired(broken):
    shop = broken.shop
    shop.model.behaviour = good_agent.good
    shop.policy.write_text(POLICY)
    assert await shop.reload() == 200
    await shop.hand_back(broken.name, "everything is as it should be")
    incident = await shop.reaches(broken.name, "closed", "escalated")
    story = await shop.story(broken.name)
    assert (incident["state"], incident["resolution"]) == ("closed", "proven"), story
    assert b"DB_POOL_SIZE=20\n" in shop.file()
    assert shop.deploys() == ["release", "alice", "sre-daemon"]
    await shop.quiet()
