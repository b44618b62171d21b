"""The daemon, killing itself at a chosen write: `python -m tests.support.crashing_daemon --config FILE`.

The file `crash-at` beside the settings names the moments, one a line and each used once: for
example `before accept`, `after save diagnosed`, `after intend config.set` or `before settle
service.redeploy`. At the first of them the process takes it off the list and sends itself SIGKILL,
which nothing can tidy up after; the process that follows has the rest.
"""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from sre_daemon import logs
from sre_daemon.app import Daemon
from sre_daemon.settings import load, load_secrets
from sre_daemon.store.sql import SqlStore


class CrashingStore(SqlStore):
    """Writes like the real one, up to the moment in the file."""

    order = Path()

    def _reached(self, moment):
        moments = self.order.read_text().splitlines() if self.order.exists() else []
        if moments and moments[0] == moment:
            self.order.write_text("".join(f"{rest}\n" for rest in moments[1:]))
            os.kill(os.getpid(), signal.SIGKILL)

    async def accept(self, notifications, correlation):
        names = {alert.name for item in notifications for alert in item.alerts}
        if names <= {"Watchdog"}:
            return await super().accept(notifications, correlation)
        self._reached("before accept")
        actions = await super().accept(notifications, correlation)
        self._reached("after accept")
        return actions

    async def save(self, incident, *rest):
        name = f"save {incident.state}"
        self._reached(f"before {name}")
        saved = await super().save(incident, *rest)
        self._reached(f"after {name}")
        return saved

    async def plan(self, incident, fence, direction, *rest):
        planned = await super().plan(incident, fence, direction, *rest)
        self._reached(f"after plan {direction}")
        return planned

    async def intend(self, effect_id, *rest):
        self._reached(f"before intend {await self._kind(effect_id)}")
        record = await super().intend(effect_id, *rest)
        self._reached(f"after intend {record.effect.kind}")
        return record

    async def settle(self, effect_id, *rest):
        kind = await self._kind(effect_id)
        self._reached(f"before settle {kind}")
        await super().settle(effect_id, *rest)
        self._reached(f"after settle {kind}")

    async def _kind(self, effect_id):
        for incident in await self.incidents():
            for record in await self.effects(incident.id):
                if record.id == effect_id:
                    return record.effect.kind
        return ""

    async def record_call(self, call):
        await super().record_call(call)
        self._reached("after tool call")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    config = parser.parse_args().config
    CrashingStore.order = config.parent / "crash-at"
    logs.configure()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    daemon = await Daemon.start(load(config), load_secrets(config.parent), open_store=CrashingStore)
    await daemon.run_until(stop)
    await daemon.stop()


if __name__ == "__main__":
    asyncio.run(main())
