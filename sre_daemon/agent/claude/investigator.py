"""The investigator that runs Claude."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog

from sre_daemon.agent import prompt
from sre_daemon.agent.base import FollowUp, OnStep, Reply, Report, Request
from sre_daemon.agent.bounds import Bounds, Governor
from sre_daemon.agent.claude.memory import Memory, Sessions
from sre_daemon.agent.claude.profile import ClaudeProfile
from sre_daemon.agent.claude.session import Purpose, Session, open_session, watched
from sre_daemon.agent.claude.transcript import ENGINE, Transcript
from sre_daemon.agent.spare import Spare
from sre_daemon.agent.watchdog import timeout
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.tasks import Tasks
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
        self._usual = Purpose(memory=None if sessions is None else Memory(sessions))
        self._spare = Spare(lambda: self._start(self._usual), Session.alive)
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
        done = await self._run(self._usual, prompt.build(request), request.bounds, on_step)
        return done.report()

    async def follow_up(self, question: FollowUp, on_step: OnStep) -> Reply:
        """See Investigator: the session goes on where its run ended, if it is still known."""
        known = question.session and self._sessions is not None
        lines = await self._sessions.load(question.session) if known and self._sessions else []
        if lines:
            # All that the facts could say is in it.
            question = replace(question, facts={})
        purpose = replace(self._usual, diagnosis=False, resume=question.session if lines else "")
        done = await self._run(purpose, prompt.follow_up(question), question.bounds, on_step)
        return done.reply()

    def warm(self, tasks: Tasks) -> None:
        """Keep a session ready from now on."""
        self._spare.warm(tasks)

    async def _run(
        self, purpose: Purpose, words: str, wanted: Bounds, on_step: OnStep
    ) -> Transcript:
        bounds = wanted.within(self._profile.bounds)
        deadline = bounds.deadline.total_seconds()
        governor = Governor(bounds, self._clock.monotonic)
        transcript = Transcript(self._clock, on_step, governor, self._profile)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(deadline):
                    session = await stack.enter_async_context(self._session(purpose))
                left = deadline - governor.elapsed
                watchdog = await stack.enter_async_context(watched(session, self._profile, left))
                session.gate.governor = governor
                await session.client.query(words)
                async for message in session.client.receive_response():
                    watchdog.touch()
                    await transcript.take(message)
                    if transcript.begun:
                        session.space.close_inbox()
        except TimeoutError:
            raise timeout(deadline) from None
        return transcript

    def _session(self, purpose: Purpose) -> AbstractAsyncContextManager[Session]:
        return self._spare.take() if purpose == self._usual else self._start(purpose)

    @asynccontextmanager
    async def _start(self, purpose: Purpose) -> AsyncIterator[Session]:
        async with AsyncExitStack() as stack:
            async with self.starts:
                session = await stack.enter_async_context(
                    open_session(self._profile, self._server, purpose)
                )
            yield session
