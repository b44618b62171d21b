"""The investigator that runs Claude."""

import asyncio
from dataclasses import replace

import structlog

from sre_daemon.agent import prompt
from sre_daemon.agent.base import FollowUp, OnStep, Reply, Report, Request
from sre_daemon.agent.bounds import Bounds, Governor
from sre_daemon.agent.claude.memory import Memory, Sessions
from sre_daemon.agent.claude.profile import ClaudeProfile
from sre_daemon.agent.claude.session import Purpose, open_session
from sre_daemon.agent.claude.transcript import ENGINE, Transcript
from sre_daemon.agent.watchdog import timeout
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.toolclient import ToolServer

log = structlog.get_logger(__name__)

# More starts at once push each other past the command line's own start-up time-outs.
CONCURRENT_STARTS = 2


class ClaudeInvestigator:
    """One command line process per investigation.

    `starts`, which several of these may share, lets two start at the same time. `sessions` keeps
    what is needed to continue a run.
    """

    engine = ENGINE

    def __init__(
        self,
        profile: ClaudeProfile,
        server: ToolServer,
        clock: Clock | None = None,
        sessions: Sessions | None = None,
        starts: asyncio.Semaphore | None = None,
    ) -> None:
        self._profile = profile
        self._server = server
        self._clock = clock or SystemClock()
        self._sessions = sessions
        self._memory = None if sessions is None else Memory(sessions)
        self.starts = starts or asyncio.Semaphore(CONCURRENT_STARTS)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._profile.model

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """See Investigator.

        Raises:
            AgentUnavailable: the API, the command line or the tool server does not work.
            AgentTimeout: the deadline has passed.
            AgentLimitReached: no turns, tokens, money or context left.
            AgentOutputInvalid: there is an answer, but no diagnosis.
        """
        purpose = Purpose(memory=self._memory)
        done = await self._run(purpose, prompt.build(request), request.bounds, on_step)
        return done.report()

    async def follow_up(self, question: FollowUp, on_step: OnStep) -> Reply:
        """See Investigator: the session goes on where its run ended, if it is still known."""
        known = question.session and self._sessions is not None
        lines = await self._sessions.load(question.session) if known and self._sessions else []
        if lines:
            # All that the facts could say is in it.
            question = replace(question, facts={})
        purpose = Purpose(
            diagnosis=False, resume=question.session if lines else "", memory=self._memory
        )
        done = await self._run(purpose, prompt.follow_up(question), question.bounds, on_step)
        return done.reply()

    async def _run(
        self, purpose: Purpose, words: str, wanted: Bounds, on_step: OnStep
    ) -> Transcript:
        bounds = wanted.within(self._profile.bounds)
        deadline = bounds.deadline.total_seconds()
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(deadline):
                await self.starts.acquire()
        except TimeoutError:
            raise timeout(deadline) from None
        governor = Governor(bounds, self._clock.monotonic)
        transcript = Transcript(self._clock, on_step, governor, self._profile)
        starting = True
        try:
            left = deadline - (self._clock.monotonic() - begun)
            async with open_session(self._profile, self._server, left, purpose) as session:
                session.gate.governor = governor
                await session.client.query(words)
                async for message in session.client.receive_response():
                    session.watchdog.touch()
                    await transcript.take(message)
                    if starting and transcript.begun:
                        starting = False
                        session.space.close_inbox()
                        self.starts.release()
        finally:
            if starting:
                self.starts.release()
        return transcript
