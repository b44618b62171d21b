"""The investigator that runs Claude."""

import asyncio

from sre_daemon.agent import prompt
from sre_daemon.agent.base import OnStep, Report, Request
from sre_daemon.agent.claude.profile import ClaudeProfile
from sre_daemon.agent.claude.session import open_session
from sre_daemon.agent.claude.transcript import ENGINE, Transcript
from sre_daemon.agent.watchdog import timeout
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.toolclient import ToolServer

# More starts at once push each other past the command line's own start-up time-outs.
CONCURRENT_STARTS = 2


class ClaudeInvestigator:
    """One command line process per investigation; at most two are starting at the same time."""

    engine = ENGINE

    def __init__(
        self, profile: ClaudeProfile, server: ToolServer, clock: Clock | None = None
    ) -> None:
        self._profile = profile
        self._server = server
        self._clock = clock or SystemClock()
        self._starts = asyncio.Semaphore(CONCURRENT_STARTS)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._profile.model

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """See Investigator.

        Raises:
            AgentUnavailable: the API, the command line or the tool server does not work.
            AgentTimeout: the deadline has passed.
            AgentLimitReached: no turns, money or context left.
            AgentOutputInvalid: there is an answer, but no diagnosis.
        """
        deadline = request.deadline.total_seconds()
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(deadline):
                await self._starts.acquire()
        except TimeoutError:
            raise timeout(deadline) from None
        transcript = Transcript(self._clock, on_step, self._profile.model)
        starting = True
        try:
            left = deadline - (self._clock.monotonic() - begun)
            async with open_session(self._profile, self._server, left) as session:
                await session.client.query(prompt.build(request))
                async for message in session.client.receive_response():
                    session.watchdog.touch()
                    await transcript.take(message)
                    if starting and transcript.begun:
                        starting = False
                        session.space.close_inbox()
                        self._starts.release()
        finally:
            if starting:
                self._starts.release()
        return transcript.report()
