"""`backup`, `restore` and `replay`: while the daemon writes, while it is stopped, with bad files."""

import asyncio
import fcntl
import json
import sqlite3

import pytest
from typer.testing import CliRunner

from sre_daemon.cli.main import app, exit_code
from sre_daemon.store.copies import FILE, backup, bodies
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.correlation import fixed
from tests.support.factories import alert, incident, notification
from tests.support.front import TOKEN, front_door

SETTINGS = "data_dir: data\nprometheus: {url: 'http://127.0.0.1:1'}\n"


@pytest.fixture
def data(tmp_path):
    """A data directory, with its settings file beside it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    return tmp_path / "data"


def run(*words, env=None):
    """The exit code and the output."""
    answer = CliRunner().invoke(app, [str(word) for word in words], env=env)
    code = answer.exit_code
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        code = exit_code(answer.exception)
    return code, answer.output + str(answer.exception or "")


async def fill(data, *numbers):
    """Incidents and notifications with these numbers."""
    store = SqlStore(SqliteDatabase(data / FILE))
    await store.open()
    for n in numbers:
        said = notification(alert(), body=json.dumps({"n": n}).encode())
        await store.accept([said], fixed(opened=[incident(id=f"i-{n}", key=str(n))]))
    await store.close()


def numbers(file):
    with sqlite3.connect(file) as copy:
        found = {row[0] for row in copy.execute("SELECT id FROM incidents")}
    copy.close()
    return found


async def test_a_backup_can_be_restored_and_nothing_is_deleted(data, tmp_path):
    await fill(data, 1, 2)
    copy, config = tmp_path / "copy", tmp_path / "settings.yaml"
    code, said = await asyncio.to_thread(run, "backup", copy, "--config", config)
    assert code == 0, said
    await fill(data, 3)
    code, said = await asyncio.to_thread(run, "restore", copy, "--config", config)
    assert code == 0, said
    assert numbers(data / FILE) == {"i-1", "i-2"}
    (aside,) = data.glob(f"{FILE}.before-*")
    assert numbers(aside) == {"i-1", "i-2", "i-3"}
    await fill(data, 4)
    assert numbers(data / FILE) == {"i-1", "i-2", "i-4"}


async def test_a_backup_while_the_daemon_writes_is_whole(data, tmp_path):
    store = SqlStore(SqliteDatabase(data / FILE))
    await store.open()
    written = 0

    async def write():
        nonlocal written
        while True:
            new = incident(id=f"i-{written}", key=str(written))
            said = notification(alert(), body=b"%d" % written)
            await store.accept([said], fixed(opened=[new]))
            written += 1

    writer = asyncio.create_task(write())
    for turn in range(5):
        before = written
        await asyncio.to_thread(backup, data, tmp_path / f"copy-{turn}")
        copied = numbers(tmp_path / f"copy-{turn}")
        assert copied == {f"i-{n}" for n in range(len(copied))}
        assert len(copied) >= before
    writer.cancel()
    await asyncio.wait([writer])
    await store.close()


async def test_nothing_is_restored_under_a_running_daemon(data, tmp_path):
    await fill(data, 1)
    backup(data, tmp_path / "copy")
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = await asyncio.to_thread(
            run, "restore", tmp_path / "copy", "--config", tmp_path / "settings.yaml"
        )
    assert (code, "stop it first" in said) == (2, True)
    assert list(data.glob(f"{FILE}.before-*")) == []


@pytest.mark.parametrize("bad", ["missing", "text", "other", "newer", "damaged"])
async def test_a_bad_copy_is_refused_and_the_store_is_as_before(data, tmp_path, bad):
    await fill(data, 1)
    copy = tmp_path / "copy"
    if bad == "text":
        copy.write_text("no database" * 1000)
    elif bad == "other":
        with sqlite3.connect(copy) as other:
            other.execute("CREATE TABLE mine (x)")
        other.close()
    elif bad != "missing":
        backup(data, copy)
    if bad == "newer":
        with sqlite3.connect(copy) as newer:
            newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.close()
    if bad == "damaged":
        content = bytearray(copy.read_bytes())
        content[4096:12288] = bytes(8192)
        copy.write_bytes(content)
    before = (data / FILE).read_bytes()
    code, said = await asyncio.to_thread(
        run, "restore", copy, "--config", tmp_path / "settings.yaml"
    )
    assert code in {2, 3}, said
    assert "copy" in said
    assert (data / FILE).read_bytes() == before
    assert list(data.glob(f"{FILE}.*before*")) == []


async def test_a_backup_never_overwrites(data, tmp_path):
    await fill(data, 1)
    (tmp_path / "copy").write_text("mine")
    code, said = await asyncio.to_thread(
        run, "backup", tmp_path / "copy", "--config", tmp_path / "settings.yaml"
    )
    assert (code, "nothing is overwritten" in said) == (2, True)
    assert (tmp_path / "copy").read_text() == "mine"
    assert not list(tmp_path.glob("*.partial"))


async def test_backup_of_postgresql_says_what_to_use(data, tmp_path):
    (tmp_path / "settings.yaml").write_text(SETTINGS + "store: postgresql://u@h/d\n")
    code, said = await asyncio.to_thread(
        run, "backup", tmp_path / "copy", "--config", tmp_path / "settings.yaml"
    )
    assert (code, "pg_dump" in said) == (2, True)


BODY = {"version": "4", "groupKey": "g", "alerts": []}


async def test_replay_sends_a_file_of_notifications_in_order(tmp_path):
    async with front_door(tmp_path) as door:
        recorded = tmp_path / "recorded.jsonl"
        said = [json.dumps(BODY | {"groupKey": f"g{n}"}) for n in range(5)]
        recorded.write_text("\n".join(said) + "\n\n")
        env = {"SRE_DAEMON_WEBHOOK_TOKEN": TOKEN}
        code, said = await asyncio.to_thread(run, "replay", recorded, "--url", door.url, env=env)
        assert (code, "5 notifications" in said) == (0, True), said
        assert [item.group_key for item in door.intake.accepted] == [f"g{n}" for n in range(5)]
        env = {"SRE_DAEMON_WEBHOOK_TOKEN": "wrong"}
        code, said = await asyncio.to_thread(run, "replay", recorded, "--url", door.url, env=env)
        assert (code, len(door.intake.accepted)) == (2, 5)


async def test_replay_sends_what_a_store_recorded(tmp_path, data):
    store = SqlStore(SqliteDatabase(data / FILE))
    await store.open()
    for n in range(3):
        body = json.dumps(BODY | {"groupKey": f"g{n}"}).encode()
        await store.accept([notification(alert(), body=body)], fixed())
    await store.close()
    assert len(list(bodies(data / FILE))) == 3
    async with front_door(tmp_path) as door:
        env = {"SRE_DAEMON_WEBHOOK_TOKEN": TOKEN}
        answer = await asyncio.to_thread(run, "replay", data / FILE, "--url", door.url, env=env)
        assert answer[0] == 0, answer
        assert [item.group_key for item in door.intake.accepted] == ["g0", "g1", "g2"]


@pytest.mark.parametrize(("content", "code"), [("not json\n", 2), ("{}\n", 3)])
async def test_replay_stops_at_what_is_not_stored(tmp_path, content, code):
    recorded = tmp_path / "recorded.jsonl"
    recorded.write_text(json.dumps(BODY) + "\n" + content)
    async with front_door(tmp_path) as door:
        env = {"SRE_DAEMON_WEBHOOK_TOKEN": TOKEN}
        answer = await asyncio.to_thread(run, "replay", recorded, "--url", door.url, env=env)
        assert answer[0] == code, answer
        assert len(door.intake.accepted) == 1
