"""kill -9 in the middle of telling: every message arrives, and a second copy can be told by its key."""

import asyncio
import sys

from aiohttp import web

from sre_daemon.domain.lifecycle import State
from sre_daemon.store.base import Writes
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.correlation import fixed_writes
from tests.support.endpoint import serving
from tests.support.factories import incident

INCIDENTS = [
    incident(State.ESCALATED, id=f"01incident{n:04}", key=f"key-{n}", title=f"Alert {n}")
    for n in range(12)
]


async def test_killed_again_and_again_every_message_arrives(tmp_path):
    store = SqlStore(SqliteDatabase(tmp_path / "people.sqlite3"))
    await store.open()
    await store.accept([], fixed_writes(Writes(opened=INCIDENTS)))
    await store.close()

    arrived, kills = {}, 4
    change = asyncio.Event()

    async def take(request):
        key = request.headers["Idempotency-Key"]
        arrived.setdefault((await request.json())["incident_id"], []).append(key)
        change.set()
        if len(arrived) % 3 == 0 and kills:
            # It will never hear that this one has arrived.
            await asyncio.Event().wait()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", take)
    async with serving(app) as url:
        while len(arrived) < len(INCIDENTS) or kills:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.telling_process", str(tmp_path), url
            )
            try:
                async with asyncio.timeout(30):
                    while len(arrived) % 3 or not change.is_set():
                        change.clear()
                        await change.wait()
                    if kills == 0:
                        while len(arrived) < len(INCIDENTS):
                            change.clear()
                            await change.wait()
            finally:
                process.kill()
                await process.wait()
            change.clear()
            kills = max(0, kills - 1)
    assert set(arrived) == {item.id for item in INCIDENTS}
    # Those that came twice came under the same key.
    assert all(len(set(keys)) == 1 for keys in arrived.values())
    assert sum(len(keys) for keys in arrived.values()) > len(INCIDENTS)
