"""Giving a demoted policy its level back: over HTTP and by command, by whom it may be, on the record."""

import pytest

from sre_daemon.domain.audit import AuditKind
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.trial import TrialOutcome
from sre_daemon.policy.file import parse
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.sqlite import SqliteDatabase
from tests.integration.test_cli_commands import command
from tests.support.clock import ManualClock
from tests.support.factories import incident
from tests.support.front import front_door, record_of
from tests.support.repairs import POLICY, counted, store_incident

PAUL, VERA = "approver-token-0123456789", "viewer-token-0123456789"
PEOPLE = {VERA: Person("vera", Role.VIEWER), PAUL: Person("paul", Role.APPROVER)}
FILE = parse(POLICY)


class Demoted:
    """A front door, and the policy `pool` after a failed proof."""

    def __init__(self, door, database, record):
        self.door, self.audit, self.record = door, AuditLog(database), record

    async def post(self, name, token=PAUL, reason="looked at it"):
        url = f"{self.door.url}/api/v1/policies/{name}/restore"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.door.http.post(url, json={"reason": reason}, headers=headers) as answer:
            return answer.status, await answer.json()

    async def level(self):
        return str((await self.record.earned(FILE))["pool"])


@pytest.fixture
async def demoted(tmp_path):
    clock, database = ManualClock(), SqliteDatabase(tmp_path / "front.sqlite3")
    options = {"people": PEOPLE, "database": database, "clock": clock, "policy": FILE}
    async with front_door(tmp_path, **options) as door:
        one = incident(State.VERIFYING, attempt=1, policy="pool")
        await store_incident(door.store, one)
        record = record_of(database, FILE, clock, door.metrics)
        await record.note(one, "pool", TrialOutcome.FAILED)
        yield Demoted(door, database, record)


async def test_an_approver_gives_the_level_back_and_it_is_recorded(demoted):
    assert await demoted.level() == "ask"
    status, said = await demoted.post("pool")
    expected = {"policy": "pool", "before": "ask", "level": "auto", "who": "paul"}
    assert (status, said) == (200, expected)
    assert await demoted.level() == "auto"
    line = (await demoted.audit.page())[-1].entry
    assert (line.kind, line.who) == (AuditKind.AUTONOMY, "paul")
    assert line.summary == "pool: restored from ask to auto: looked at it"
    changes = demoted.door.metrics.autonomy_changes
    assert counted(changes, direction="restored") == 1


async def test_what_was_not_demoted_is_not_restored(demoted):
    assert (await demoted.post("pool"))[0] == 200
    lines = len(await demoted.audit.page())
    for name in ("pool", "errors", "nobody"):
        status, said = await demoted.post(name)
        assert status == 409
        assert said["error"]["hint"]
    assert len(await demoted.audit.page()) == lines


async def test_a_viewer_and_no_reason_restore_nothing(demoted):
    assert (await demoted.post("pool", VERA))[0] == 403
    assert (await demoted.post("pool", reason=" "))[0] == 400
    assert await demoted.level() == "ask"


async def test_another_failure_costs_the_level_again(demoted):
    await demoted.post("pool")
    two = incident(State.VERIFYING, id="02incident0002", key="key-2", attempt=1, policy="pool")
    await store_incident(demoted.door.store, two)
    await demoted.record.note(two, "pool", TrialOutcome.FAILED)
    assert await demoted.level() == "ask"


async def test_the_command_restores_once(demoted):
    for expected in (0, 1):
        code, text = await command(
            demoted.door, "policy", "restore", "pool", "--reason", "looked at it", token=PAUL
        )
        assert code == expected, text
    assert await demoted.level() == "auto"
