"""The steps of an answer while it is looked for: one message, changed now and then."""

from types import TracebackType
from typing import Self

import structlog

from sre_daemon.agent.base import SpentStep, Step, TextStep
from sre_daemon.clock import Clock
from sre_daemon.errors import NotifyError
from sre_daemon.slack import render
from sre_daemon.slack.client import Slack
from sre_daemon.slack.mrkdwn import code, line

log = structlog.get_logger(__name__)

EVERY = 1.5
KEPT = 30


class Progress:
    """In one thread. Trouble with it never stops the answer."""

    def __init__(self, slack: Slack, clock: Clock, room: str, thread: str) -> None:
        self._slack = slack
        self._clock = clock
        self._room = room
        self._thread = thread
        self._ts = ""
        self._lines: list[str] = []
        self._earlier = 0
        self._shown = 0
        self._next = 0.0

    async def __aenter__(self) -> Self:
        await self._show("🔎 I look into it…")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shown < self._earlier + len(self._lines):
            await self._show()

    async def step(self, step: Step) -> None:
        """Something that was done or said on the way."""
        if isinstance(step, SpentStep):
            return
        if isinstance(step, TextStep):
            self._lines.append(f"💬 {line(step.text, 400)}")
        else:
            said = ", ".join(f"{key}={value}" for key, value in step.arguments.items())
            first = step.output.strip().partition("\n")[0]
            found = f" → {line(first, 120)}" if first else ""
            sign = "✗" if step.is_error else "✓"
            self._lines.append(f"{sign} {code(f'{step.tool}({said})', 160)}{found}")
        self._earlier += max(0, len(self._lines) - KEPT)
        self._lines = self._lines[-KEPT:]
        if self._clock.monotonic() >= self._next:
            await self._show()

    async def _show(self, text: str = "") -> None:
        shown = render.steps(self._lines or [text], self._earlier)
        try:
            if self._ts:
                await self._slack.update(self._room, self._ts, shown.text, shown.blocks)
            else:
                self._ts = await self._slack.post(
                    self._room, shown.text, shown.blocks, thread=self._thread
                )
        except NotifyError as failure:
            log.warning("steps not shown in Slack", error=failure.reason)
        self._shown = self._earlier + len(self._lines)
        self._next = self._clock.monotonic() + EVERY
