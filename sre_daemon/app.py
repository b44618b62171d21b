"""The composition root: builds the daemon from its settings, starts it, stops it in reverse order."""

import asyncio
import fcntl
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from aiohttp import web

from sre_daemon import __version__
from sre_daemon.agent.base import Investigator
from sre_daemon.agent.claude import ClaudeInvestigator
from sre_daemon.agent.fallback import FallbackInvestigator
from sre_daemon.agent.runbook import RunbookInvestigator
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.control import Control
from sre_daemon.domain.incident import Incident
from sre_daemon.errors import ConfigError
from sre_daemon.executor.executor import Executor
from sre_daemon.executor.gate import Gate
from sre_daemon.executor.hands import ProcessHands, tool_server, write_tool_settings
from sre_daemon.intake.receiver import Intake
from sre_daemon.metrics import Metrics
from sre_daemon.notify.base import Notifier
from sre_daemon.notify.webhook import WebhookChannel
from sre_daemon.observe import Observer
from sre_daemon.pipeline.build import Stages
from sre_daemon.pipeline.close import Close
from sre_daemon.pipeline.decide import Decide
from sre_daemon.pipeline.investigate import Investigate
from sre_daemon.pipeline.remediate import Remediate
from sre_daemon.pipeline.stage import Next
from sre_daemon.pipeline.surroundings import RuleFacts
from sre_daemon.pipeline.triage import Triage
from sre_daemon.pipeline.undo import Undo
from sre_daemon.pipeline.verify import Verify
from sre_daemon.pipeline.worker import Worker
from sre_daemon.policy.source import PolicyFile
from sre_daemon.report.postmortem import Postmortem
from sre_daemon.settings import Secrets, Settings, check_front_door
from sre_daemon.store.sql import SqlStore
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

GAUGES_EVERY = 2.0


class Daemon:
    """A running daemon. `start` builds it whole or not at all; `stop` undoes it in reverse order."""

    def __init__(self, stack: AsyncExitStack, tasks: Tasks, policy: PolicyFile, url: str) -> None:
        self._stack = stack
        self._tasks = tasks
        self._policy = policy
        self.url = url

    @classmethod
    async def start(
        cls, settings: Settings, secrets: Secrets, clock: Clock | None = None
    ) -> "Daemon":
        """Start everything; the HTTP server last, so that what answers can also work.

        Raises:
            ConfigError: settings that cannot be used.
            StoreError: the store cannot be opened.
        """
        check_front_door(settings, secrets)
        async with AsyncExitStack() as stack:
            daemon = await cls._build(stack, settings, secrets, clock or SystemClock())
            stack.pop_all()
            return daemon
        raise AssertionError("unreachable")

    async def run_until(self, stop: asyncio.Event) -> bool:
        """Wait for the stop event, or for a background task to die; True when it was the event."""
        wanted = asyncio.ensure_future(stop.wait())
        failed = asyncio.ensure_future(self._tasks.failed.wait())
        await asyncio.wait({wanted, failed}, return_when=asyncio.FIRST_COMPLETED)
        for task in (wanted, failed):
            task.cancel()
        return stop.is_set()

    async def reload(self) -> None:
        """Look at the policy file now, to say in the log whether it can be used.

        Raises:
            PolicyFileError: it cannot; until it can, nothing is changed.
        """
        self._policy.current()

    async def stop(self) -> None:
        """Stop taking notifications, finish what is being stored, give claims back, let go."""
        await self._stack.aclose()
