"""Ends a run from outside at its deadline, or when nothing has been heard of it for too long.

Killing the process rather than cancelling the SDK: a cancelled SDK waits five seconds for a
process that hangs, a killed one is gone at once and its pipes say so.
"""

import asyncio
from collections.abc import Callable

from sre_daemon.errors import AgentError, AgentTimeout, AgentUnavailable, FaultKind

RETRY_SECONDS = 0.05
LOOK_SECONDS = 2.0
Look = Callable[[], AgentError | None]


class Watchdog:
    """Calls `kill` until it returns True; `failure` then says why. Times are in seconds.

    `look` is asked now and then whether the run takes more of the machine than it may.
    """

    def __init__(
        self,
        kill: Callable[[], bool],
        deadline: float,
        silence: float,
        look: Look = lambda: None,
    ) -> None:
        self.failure: AgentError | None = None
        self._kill = kill
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._quiet = self._loop.call_later(silence, self._check)
        self._deadline = self._loop.call_later(deadline, self._end, timeout(deadline))
        self._look = look
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look_again)

    def touch(self) -> None:
        """Something was heard of the run."""
        self._heard = self._loop.time()

    def stop(self) -> None:
        """The run is over."""
        self._quiet.cancel()
        self._deadline.cancel()
        self._looking.cancel()

    def _look_again(self) -> None:
        excess = self._look()
        if excess is None:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look_again)
        else:
            self._deadline.cancel()
            self._end(excess)

    def _check(self) -> None:
        quiet = self._loop.time() - self._heard
        if quiet < self._silence:
            self._quiet = self._loop.call_later(self._silence - quiet, self._check)
            return
        self._deadline.cancel()
        self._end(
            AgentUnavailable(
                f"nothing was heard of the agent for {self._silence:g} s",
                "check the network and ANTHROPIC_BASE_URL",
                kind=FaultKind.SILENT,
            )
        )

    def _end(self, failure: AgentError) -> None:
        self.failure = self.failure or failure
        self._quiet.cancel()
        self._looking.cancel()
        # The process may be about to start: then there is nothing to kill yet.
        if not self._kill():
            self._deadline = self._loop.call_later(RETRY_SECONDS, self._end, failure)


def timeout(seconds: float) -> AgentTimeout:
    """The error of a run that was cut at its deadline."""
    return AgentTimeout(
        f"the investigation was cut at its deadline of {seconds:g} s", "raise agent.deadline"
    )
