"""What intake is compared with: `python -m bench.receivers bare|commit FOLDER`.

`bare` validates and forgets. `commit` also stores the bytes, with a durable commit for each request.
Both print their address and serve until they are killed.
"""

import asyncio
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from bench.payload import NOTIFICATION

LIMIT = 32 << 20


async def bare(request: web.Request) -> web.Response:
    """Validate, answer."""
    NOTIFICATION.validate_json(await request.read())
    return web.json_response({"status": "ok"})


class Committing:
    """Validate, store, answer."""

    def __init__(self, file: Path) -> None:
        self._threads = ThreadPoolExecutor(1)
        self._store = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._store.execute(f"PRAGMA {pragma}")
        self._store.execute("CREATE TABLE notifications (id INTEGER PRIMARY KEY, body BLOB)")

    async def __call__(self, request: web.Request) -> web.Response:
        """One request, one commit."""
        body = await request.read()
        NOTIFICATION.validate_json(body)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._commit, body)
        return web.json_response({"status": "ok"})

    def _commit(self, body: bytes) -> None:
        self._store.execute("INSERT INTO notifications (body) VALUES (?)", (body,))


async def main(kind: str, folder: Path) -> None:
    """Serve."""
    app = web.Application(client_max_size=LIMIT)
    handler = bare if kind == "bare" else Committing(folder / "commit.sqlite3")
    app.router.add_post("/webhook/alertmanager", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"listens on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
