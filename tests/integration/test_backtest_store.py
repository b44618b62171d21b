"""`policy backtest` over a real store: what was recorded is asked again as it was asked then."""

import asyncio
import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from sre_daemon.cli.main import app, exit_code
from sre_daemon.clock import SystemClock
from sre_daemon.domain.effect import to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.run import Run, RunOutcome
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.past import recorded
from sre_daemon.policy.backtest import backtest
from sre_daemon.policy.file import parse
from sre_daemon.store.history import History
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.integration.test_pipeline_decide import deciding, with_level
from tests.support.clock import START
from tests.support.factories import REPAIR, diagnosis
from tests.support.story import POOL, REDEPLOY, Story
from tests.support.story import diagnosis as told

HOUR = timedelta(hours=1)
POLICY = """\
version: 1
mode: act
policies:
  - name: restore-db-pool
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow:
      - {effect: config.set, path: config/api-server.env, key: DB_POOL_SIZE, value: {type: integer, min: 5, max: 100}}
      - {effect: service.redeploy, service: api-server}
    limits: {cooldown: 0s}
"""
EFFECTS = [to_json(POOL), to_json(REDEPLOY)]


@pytest.mark.parametrize("level", ["auto", "ask", "shadow"])
async def test_the_same_policy_says_again_what_the_daemon_recorded(tmp_path, level):
    """Otherwise the record would lack something that the verdict depends on."""
    policy = with_level(level).replace("per_hour", "attempts_per_incident: 2, per_hour")
    async with deciding(tmp_path, policy) as b:
        stored = wire.diagnosis_to_json(diagnosis(*REPAIR))
        run = Run("r1", b.incident.id, "claude", "m", START, outcome=RunOutcome.DIAGNOSED)
        await b.store.begin_run(run)
        await b.store.note([TimelineEvent(b.incident.id, START, Kind.DIAGNOSIS, "found", stored)])
        outcome = await b.decide(b.incident)
        await b.store.note(outcome.events)
        found = await recorded(History(b.store._database), START - HOUR, START + HOUR)
        (past,) = found.pasts
        assert (found.incidents, found.undecided, found.unreadable) == (1, 0, 0)
        assert found.complete
        assert past.question.engine == "claude"
        assert past.question.effects == REPAIR
        assert past.question.diagnosis.supported
        (judged,) = backtest(parse(policy), found.pasts, found.opened)
        (event,) = outcome.events
        assert judged.verdict.message == event.data["policy"] + event.summary.partition("pool")[2]
        assert not judged.differs


async def a_month(folder):
    """A repair that was proven, one that people were asked about, and one about which nothing was decided."""
    folder.mkdir()
    database = SqliteDatabase(folder / "sre-daemon.sqlite3")
    store = SqlStore(database)
    await store.open()
    story = Story(store, database, SystemClock().now())
    try:
        one = await story.opens("ApiDbPoolExhausted", "api-server", ago=7200)
        at = one.created_at + timedelta(seconds=5)
        await story.steps(one, at)
        at += timedelta(seconds=20)
        await story.says(one, Kind.DIAGNOSIS, "found", at, **evident())
        await story.says(one, Kind.VERDICT, "allow: …", at, verdict="allow", reason="allowed",
            policy="restore-db-pool", effects=EFFECTS)  # fmt: skip
        await story.moves(one, "remediating", "allowed", at, "allowed")
        await story.acts(one, at)
        await story.moves(one, "verifying", "applied", at + timedelta(seconds=5), "applied")
        await story.moves(one, "resolved", "proven", at + timedelta(seconds=60), "proven",
            resolution="proven")  # fmt: skip
        two = await story.opens("ApiHighErrorRate", "api-server", ago=3600)
        at = two.created_at + timedelta(seconds=5)
        await story.says(two, Kind.DIAGNOSIS, "found", at, **evident())
        await story.says(two, Kind.VERDICT, "deny: …", at, verdict="deny", reason="no_policy",
            policy="", effects=EFFECTS)  # fmt: skip
        await story.says(two, Kind.VERDICT, "deny: …", at, verdict="deny", reason="no_policy",
            policy="", effects=[{"effect": "of.another.version"}])  # fmt: skip
        await story.opens("TargetDown", "cache", ago=60)
    finally:
        await store.close()


def evident():
    """A diagnosis all of whose evidence was found."""
    found = told()
    item = {"claim": "one", "call": "c3", "quote": "DB_POOL_SIZE=1", "supported": True}
    return found | {"evidence": [item]}


@pytest.fixture
def ask(tmp_path):
    """Run `policy backtest` over the month; exit code and what was printed."""
    asyncio.run(a_month(tmp_path / "data"))
    (tmp_path / "policy.yaml").write_text(POLICY)
    config = tmp_path / "sre-daemon.yaml"
    config.write_text(
        "data_dir: data\nprometheus: {url: 'http://127.0.0.1:1'}\npolicy: policy.yaml\n"
    )

    def run(*arguments):
        answer = CliRunner().invoke(
            app, ["policy", "backtest", "--config", str(config), *map(str, arguments)]
        )
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            return exit_code(answer.exception), str(answer.exception)
        return answer.exit_code, answer.stdout

    return run


def test_the_policy_in_force_would_decide_alike(ask):
    code, text = ask("--json")
    assert code == 0
    found = json.loads(text)
    assert (found["incidents"], found["undecided"], found["unreadable"]) == (3, 1, 1)
    assert [item["differs"] for item in found["decisions"]] == [False, False]
    assert found["endings"]["allow"] == {"proven": 1}
    assert found["endings"]["deny"] == {"open": 1}


def test_a_changed_policy_is_told_with_how_those_ended(ask, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(
        POLICY.replace("autonomy: auto", "autonomy: ask")
        + POLICY[POLICY.index("  - name") :]
        .replace("restore-db-pool", "errors")
        .replace("ApiDbPoolExhausted", "ApiHighErrorRate")
    )
    code, text = ask(other, "--since", "24h")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "3 incidents, 1 of them never came to a decision; 2 decisions"
    assert "note     1 decisions cannot be read by this version" in lines
    assert "restore-db-pool         0 allow, 1 ask, 0 shadow, 0 deny" in lines
    assert "errors                  1 allow, 0 ask, 0 shadow, 0 deny" in lines
    assert "would ask               ended: 1 proven" in lines
    assert "2 would be decided otherwise" in lines
    assert "was allow (allowed), would be ask (autonomy)" in text
    assert "it ended proven" in text


def test_only_the_period_is_looked_at(ask):
    code, text = ask("--since", "1h", "--json")
    assert code == 0
    assert json.loads(text)["incidents"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "soon"), "--since soon"),
        (("none.yaml",), "none.yaml: cannot be read"),
    ],
)
def test_wrong_usage_is_2(ask, arguments, says):
    code, text = ask(*arguments)
    assert code == 2
    assert says in text


def test_a_store_that_is_not_there_is_3_and_is_not_made(ask, tmp_path):
    config = tmp_path / "other.yaml"
    config.write_text("data_dir: elsewhere\nprometheus: {url: 'http://127.0.0.1:1'}\n")
    code, text = ask(tmp_path / "policy.yaml", "--config", config)
    assert code == 3
    assert "does not exist" in text
    assert not (tmp_path / "elsewhere" / "sre-daemon.sqlite3").exists()
    code, text = ask("--config", config)
    assert code == 2
    assert "there is no policy to run" in text


async def test_a_later_decision_has_the_later_diagnosis_and_repair(tmp_path):
    database = SqliteDatabase(tmp_path / "s.sqlite3")
    store = SqlStore(database)
    await store.open()
    try:
        story = Story(store, database, START + HOUR)
        one = await story.opens("ApiDbPoolExhausted", "api-server", ago=3600)
        for n, confidence in enumerate((0.5, 0.9)):
            at = START + timedelta(minutes=10 * n)
            found = evident() | {"confidence": confidence}
            await story.says(one, Kind.DIAGNOSIS, "found", at, **found)
            await story.says(one, Kind.VERDICT, "said", at, verdict="allow", reason="allowed",
                policy="restore-db-pool", effects=EFFECTS)  # fmt: skip
        await story.moves(one, "remediating", "allowed", at, "allowed")
        await story.acts(one, at)
        end = at + timedelta(minutes=3)
        await story.moves(one, "escalated", "not proven", end, "not_proven")
        found = await recorded(History(database), START - HOUR, START + 2 * HOUR)
        first, second = found.pasts
        assert [p.question.diagnosis.confidence for p in found.pasts] == [0.5, 0.9]
        assert (first.began, first.ending) == (False, "open")
        assert (second.began, second.over, second.ending) == (True, end, "not_proven")
    finally:
        await store.close()
