"""`audit verify` and `audit export` on a store that somebody with write access has been at."""

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sre_daemon.cli.main import app, exit_code
from sre_daemon.domain.audit import AuditEntry, AuditKind, Head, canonical
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.anchor import Anchor
from sre_daemon.store import heads
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.copies import FILE
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.clock import START, ManualClock

LINES = 6
COLUMNS = ("at", "kind", "who", "subject", "summary", "data", "previous", "hash")


class People:
    def __init__(self):
        self.told = []

    async def tell(self, title, text):
        self.told.append((title, text))


class Logged:
    """A data directory with an audit log and an anchor."""

    def __init__(self, folder, key=b"k" * 32):
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        (folder / "sre-daemon.yaml").write_text(
            "data_dir: data\nprometheus: {url: 'http://127.0.0.1:1'}\n"
        )
        (self.data / heads.KEY_FILE).write_text(key.hex())
        self.database = SqliteDatabase(self.data / FILE)
        self.audit = AuditLog(self.database)
        self.people, self.metrics = People(), Metrics()
        self.anchor = self.new_anchor(key)

    def new_anchor(self, key=b"k" * 32):
        return Anchor(self.audit, self.data, key, self.people, ManualClock(), self.metrics)

    async def write(self, *numbers):
        for n in numbers:
            data = {"n": n, "reason": "allowed"}
            await self.audit.record(
                AuditEntry(START, AuditKind.DECISION, "daemon", f"line {n}", f"i{n}", data)
            )

    def sql(self, statement, *values):
        with sqlite3.connect(self.data / FILE) as store:
            store.execute(statement, values)
        store.close()

    def run(self, *words, env=None):
        config = str(self.folder / "sre-daemon.yaml")
        arguments = ["audit", *words, "--config", config]
        answer = CliRunner().invoke(app, arguments, env=env)
        code = answer.exit_code
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            code = exit_code(answer.exception)
        return code, answer.output + str(answer.exception or "")


@pytest.fixture
async def logged(tmp_path):
    """Six lines, all of them signed."""
    found = Logged(tmp_path)
    await found.database.open()
    await found.write(*range(1, LINES + 1))
    await found.anchor.once()
    yield found
    await found.database.close()


async def verify(logged, *words, env=None):
    return await asyncio.to_thread(logged.run, "verify", *words, env=env)


async def test_an_untouched_log_is_intact_while_the_daemon_writes(logged):
    await logged.write(7)
    code, said = await verify(logged)
    assert code == 0, said
    assert "7 lines; the last signed head is line 6" in said
    answer = json.loads((await verify(logged, "--json"))[1])
    assert (answer["lines"], answer["signed"], answer["problems"]) == (7, 6, [])


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("seq", [1, 3, LINES])
async def test_any_changed_value_is_found(logged, column, seq):
    value = 77 if column == "at" else '{"n":8}' if column == "data" else "f" * 64
    logged.sql(f"UPDATE audit SET {column} = ? WHERE seq = ?", value, seq)
    code, said = await verify(logged)
    assert code == 1
    assert f"line {seq}" in said


@pytest.mark.parametrize("value", ["no json", "[", str(1 << 62)])
async def test_values_that_nobody_writes_are_found_too(logged, value):
    logged.sql("UPDATE audit SET data = ?, at = ? WHERE seq = 2", value, 1 << 62)
    code, said = await verify(logged)
    assert code == 1
    assert "line 2: was changed" in said


@pytest.mark.parametrize("seq", range(1, LINES + 1))
async def test_any_deleted_line_is_found_also_the_last(logged, seq):
    logged.sql("DELETE FROM audit WHERE seq = ?", seq)
    assert (await verify(logged))[0] == 1


async def test_lines_that_changed_places_are_found(logged):
    logged.sql("UPDATE audit SET seq = 99 WHERE seq = 2")
    logged.sql("UPDATE audit SET seq = 2 WHERE seq = 3")
    logged.sql("UPDATE audit SET seq = 3 WHERE seq = 99")
    assert (await verify(logged))[0] == 1


async def test_the_whole_log_written_anew_is_found_by_the_heads_only(logged):
    logged.sql("DELETE FROM audit")
    await logged.write(*range(11, 11 + LINES))
    code, said = await verify(logged)
    assert code == 1
    assert "another one than the signed head knows" in said
    (logged.data / heads.FILE).unlink()
    assert (await verify(logged))[0] == 0
    # What left the machine with the daemon's log still tells.
    head = f"{LINES}:{'a' * 64}"
    assert (await verify(logged, "--head", head))[0] == 1


async def test_lines_after_the_last_head_can_go_missing_unseen(logged):
    await logged.write(7)
    logged.sql("DELETE FROM audit WHERE seq = 7")
    # The limit that docs/safety.md names: the time between two heads.
    assert (await verify(logged))[0] == 0


async def test_a_head_that_was_forged_or_damaged_is_found(logged):
    file = logged.data / heads.FILE
    good = file.read_text()
    forged = Head(LINES, "a" * 64, START).signed(b"another key")
    heads.add(logged.data, forged)
    assert "not signed with this key" in (await verify(logged))[1]
    file.write_text(good + '{"seq": 7, "ha')
    code, said = await verify(logged)
    assert code == 1
    assert f"{heads.FILE}:2: cannot be read" in said


async def test_the_secret_is_the_key_where_there_is_one(logged):
    (logged.data / heads.KEY_FILE).unlink()
    code, said = await verify(logged)
    assert code == 2
    assert "SRE_DAEMON_AUDIT_KEY" in said
    env = {"SRE_DAEMON_AUDIT_KEY": "k" * 32}
    assert (await verify(logged, env=env))[0] == 0
    assert (await verify(logged, env={"SRE_DAEMON_AUDIT_KEY": "another"}))[0] == 1


@pytest.mark.parametrize("head", ["7", "x:y", f"-1:{'a' * 64}", f"{'9' * 40}:{'a' * 64}"])
async def test_a_head_that_cannot_be_read_is_a_wrong_use(logged, head):
    assert (await verify(logged, "--head", head))[0] == 2


async def test_a_store_that_is_not_there_is_not_made(tmp_path):
    logged = Logged(tmp_path)
    code, said = await verify(logged)
    assert code == 3
    assert "does not exist" in said
    assert not (logged.data / FILE).exists()


async def test_a_store_of_another_version_is_refused_and_left_alone(logged):
    logged.sql("UPDATE alembic_version SET version_num = '0001'")
    code, said = await verify(logged)
    assert code == 3
    assert "schema 0001" in said


async def test_the_exported_lines_prove_themselves(logged):
    code, text = await asyncio.to_thread(logged.run, "export", "--after", "2")
    assert code == 0
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["seq"] for line in lines] == [3, 4, 5, 6]
    for line in lines:
        said = line.pop("hash")
        assert hashlib.sha256(canonical(line).encode()).hexdigest() == said


# --- the anchor of the running daemon


async def test_the_anchor_signs_only_what_is_new(logged):
    file = logged.data / heads.FILE
    await logged.anchor.once()
    assert len(file.read_text().splitlines()) == 1
    await logged.write(7)
    await logged.anchor.once()
    assert [head.seq for _, head in heads.known(logged.data)] == [6, 7]
    assert logged.people.told == []


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM audit WHERE seq = 6",
        "UPDATE audit SET who = 'nobody' WHERE seq = 6",
        "UPDATE audit SET hash = 'a' WHERE seq = 6",
        "UPDATE audit SET who = 'nobody' WHERE seq = 7",
        "DELETE FROM audit WHERE seq = 7",
    ],
)
async def test_the_anchor_tells_people_once_and_signs_no_more(logged, attack):
    await logged.write(7, 8)
    logged.sql(attack)
    for _ in range(2):
        await logged.anchor.once()
    assert len(logged.people.told) == 1
    assert "tampered" in logged.people.told[0][0]
    assert [head.seq for _, head in heads.known(logged.data)] == [6]
    assert logged.metrics.registry.get_sample_value("sre_daemon_audit_intact") == 0


async def test_after_a_restart_the_anchor_goes_on_from_its_own_heads(logged):
    heads.add(logged.data, Head(99, "a" * 64, START).signed(b"somebody else"))
    await logged.write(7)
    logged.sql("UPDATE audit SET who = 'nobody' WHERE seq = 6")
    restarted = logged.new_anchor()
    restarted.remember()
    await restarted.once()
    assert len(logged.people.told) == 1


async def test_a_store_that_does_not_answer_is_asked_again(logged):
    await logged.database.close()
    await logged.anchor.once()
    assert logged.people.told == []
    await logged.database.open()
    await logged.write(7)
    await logged.anchor.once()
    assert [head.seq for _, head in heads.known(logged.data)] == [6, 7]


ATTACKS = st.lists(
    st.one_of(
        st.tuples(st.just("DELETE FROM audit WHERE seq = ?"), st.integers(1, LINES)),
        st.tuples(
            st.sampled_from(
                [f"UPDATE audit SET {name} = {name} || '.' WHERE seq = ?" for name in COLUMNS[1:]]
            ),
            st.integers(1, LINES),
        ),
        st.tuples(
            st.just("UPDATE audit SET seq = seq + 100 WHERE seq >= ?"), st.integers(1, LINES)
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(attacks=ATTACKS)
def test_no_series_of_attacks_goes_unseen(tmp_path_factory, attacks):
    logged = Logged(Path(tmp_path_factory.mktemp("audit")))

    async def attacked():
        await logged.database.open()
        await logged.write(*range(1, LINES + 1))
        await logged.anchor.once()
        await logged.database.close()
        for statement, seq in attacks:
            logged.sql(statement, seq)

    asyncio.run(attacked())
    assert logged.run("verify")[0] == 1
