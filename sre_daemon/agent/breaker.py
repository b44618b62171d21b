"""Whether the model is asked at all: after failures of its API it is left alone for a while.

One for the process, shared by all runs. When the time is over one run may try; the others wait for
what becomes of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sre_daemon.errors import FaultKind


@dataclass(frozen=True, slots=True)
class Opening:
    """After so many failures in a row, for so long; each failed try doubles it."""

    failures: int
    seconds: float


# They stay until somebody changes something, so they are tried less often.
CONFIGURATION = Opening(1, 300)
LOADED = Opening(1, 60)
SHAKY = Opening(3, 30)
OPENINGS: Mapping[FaultKind, Opening] = {
    FaultKind.AUTH: CONFIGURATION,
    FaultKind.FORBIDDEN: CONFIGURATION,
    FaultKind.UNKNOWN_MODEL: CONFIGURATION,
    FaultKind.CREDIT: CONFIGURATION,
    FaultKind.RATE_LIMIT: LOADED,
    FaultKind.OVERLOADED: LOADED,
    FaultKind.SERVER: SHAKY,
    FaultKind.NO_ANSWER: SHAKY,
    FaultKind.SILENT: SHAKY,
    FaultKind.TIMEOUT: SHAKY,
    FaultKind.COMMAND_LINE: SHAKY,
    FaultKind.TOOLS: SHAKY,
}
LONGEST = 900.0


class Breaker:
    """Closed: everybody may. Open: nobody. When its time is over: one, and then as that one fares."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures = 0
        self._until: float | None = None
        self._seconds = 0.0
        self._probing = False
        self.why = ""

    @property
    def closed(self) -> bool:
        """Whether the model works as far as anybody knows."""
        return self._until is None

    @property
    def seconds(self) -> float:
        """Until somebody may try again."""
        return 0.0 if self._until is None else max(0.0, self._until - self._now())

    def room(self, most: int) -> int:
        """How many runs might enter now: `most`, one to try it, or none."""
        if self._until is None:
            return most
        return 0 if self._probing or self._now() < self._until else 1

    def enter(self) -> bool:
        """Whether a run may ask the model now; `left` must follow."""
        if self._until is None:
            return True
        if self._probing or self._now() < self._until:
            return False
        self._probing = True
        return True

    def left(self, fault: FaultKind | None, why: str = "") -> None:
        """A run that entered is over; `fault` is None when the model did its part."""
        opening = None if fault is None else OPENINGS.get(fault)
        if opening is None:
            # Also a run that used up its turns has shown that the model answers.
            self._failures, self._until, self._seconds, self._probing = 0, None, 0.0, False
            return
        self._failures += 1
        if self._probing or self._failures >= opening.failures:
            self._seconds = min(LONGEST, max(opening.seconds, 2 * self._seconds))
            self._until, self.why = self._now() + self._seconds, why
        self._probing = False

    def cancelled(self) -> None:
        """A run that entered was cancelled: it has shown nothing."""
        self._probing = False
