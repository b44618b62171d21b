"""`serve`: the daemon's process. The only place that knows signals."""

import asyncio
import gc
import signal
import sys
from pathlib import Path

import structlog

from sre_daemon import logs
from sre_daemon.app import Daemon
from sre_daemon.cli.output import say
from sre_daemon.errors import DaemonError, PolicyFileError
from sre_daemon.settings import Secrets, Settings, load, load_secrets

log = structlog.get_logger(__name__)


def serve(config: Path) -> int:
    """Run until SIGTERM or SIGINT; the exit code. SIGHUP puts the policy file in force, SIGUSR1 pauses.

    Raises:
        ConfigError: settings that cannot be used.
    """
    settings = load(config)
    secrets = load_secrets(config.resolve().parent)
    logs.configure()
    return asyncio.run(_serve(settings, secrets))


async def _serve(settings: Settings, secrets: Secrets) -> int:
    stop = asyncio.Event()
    hang_up = asyncio.Event()
    halt = asyncio.Event()
    loop = asyncio.get_running_loop()
    stops = (signal.SIGTERM, signal.SIGINT)

    def stop_once() -> None:
        stop.set()
        for number in stops:  # whoever asks a second time wants it at once
            loop.remove_signal_handler(number)

    for number in stops:
        loop.add_signal_handler(number, stop_once)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    loop.add_signal_handler(signal.SIGUSR1, halt.set)
    daemon = await Daemon.start(settings, secrets)
    _settle_down()
    say(f"sre-daemon listens on {daemon.url}")
    try:
        async with asyncio.TaskGroup() as group:
            reloads = group.create_task(_reload_on(hang_up, daemon))
            pauses = group.create_task(_pause_on(halt, daemon))
            stopped_as_asked = await daemon.run_until(stop)
            reloads.cancel()
            pauses.cancel()
    finally:
        await daemon.stop()
    return 0 if stopped_as_asked else 1


def _settle_down() -> None:
    """What is loaded stays: the collector need not look at it, and threads take shorter turns."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    # A thread that has waited for the disk goes on after a millisecond instead of five.
    sys.setswitchinterval(0.001)


async def _pause_on(halt: asyncio.Event, daemon: Daemon) -> None:
    while True:
        await halt.wait()
        halt.clear()
        try:
            await daemon.pause("the signal SIGUSR1", "signal")
        except DaemonError as failure:
            log.error("not paused", error=str(failure))


async def _reload_on(hang_up: asyncio.Event, daemon: Daemon) -> None:
    while True:
        await hang_up.wait()
        hang_up.clear()
        try:
            await daemon.reload("SIGHUP")
        except PolicyFileError:
            continue  # said in the log, with each mistake
        except DaemonError as failure:
            log.error("policy not reloaded", error=str(failure))
