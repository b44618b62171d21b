"""What one run may use, and who counts it: a nudge to conclude, then no more reading, then the cut.

A run that is capped should still deliver what it has, so it hears of its bounds before they end it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from sre_daemon.domain.run import Usage
from sre_daemon.errors import AgentLimitReached

# Shares of a bound: from here on it is told, and from here on it may only conclude.
NUDGE = 0.7
CONCLUDE = 0.9
# The same question within this time is a loop. Later it looks again, as after a repair it must.
AGAIN_SECONDS = 15.0
# So many loops, and the run is only going round.
LOOPS = 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one run. Tokens are all that the model reads and writes, from a cache or not."""

    deadline: timedelta = timedelta(minutes=10)
    turns: int = 30
    tool_calls: int = 40
    tokens: int = 600_000
    dollars: float = 2.0

    def within(self, other: "Bounds") -> "Bounds":
        """The smaller one of each."""
        return Bounds(
            min(self.deadline, other.deadline),
            min(self.turns, other.turns),
            min(self.tool_calls, other.tool_calls),
            min(self.tokens, other.tokens),
            min(self.dollars, other.dollars),
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a tool may be called now, and what the model is told beside the result or instead."""

    allow: bool
    words: str = ""


class Governor:
    """Counts for one run; `now` gives seconds that only grow."""

    def __init__(self, bounds: Bounds, now: Callable[[], float]) -> None:
        self.usage = Usage()
        self._bounds = bounds
        self._now = now
        self._begun = now()
        self._calls = 0
        self._loops = 0
        self._asked: dict[str, tuple[float, int]] = {}
        self._nudged = False

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._now() - self._begun

    def model_called(self, usage: Usage) -> None:
        """A call of the model has ended; `usage` is of this call, its `turns` is one."""
        self.usage = add(self.usage, usage)

    def ask(self, tool: str, arguments: Mapping[str, object]) -> Ruling:
        """Rule about a call that is about to be made."""
        self._calls += 1
        last = self._spent(CONCLUDE)
        if last or self._loops >= LOOPS:
            why = f"{last} of this run are almost used up" if last else "You are going round"
            return Ruling(
                False,
                f"{why}: nothing more is read. Deliver now what you have; inconclusive is fine.",
            )
        if self._again(tool, arguments):
            self._loops += 1
            return Ruling(
                False,
                "You asked exactly this a moment ago and have the answer. Ask something else, or conclude.",
            )
        spent = self._spent(NUDGE)
        if spent and not self._nudged:
            self._nudged = True
            return Ruling(
                True, f"Most {spent} of this run are used up. Conclude with the next few calls."
            )
        return Ruling(True)

    def over(self) -> AgentLimitReached | None:
        """The error of a run that is to be cut, or None. The deadline is the watchdog's."""
        bounds, usage = self._bounds, self.usage
        if usage.turns > bounds.turns:
            return AgentLimitReached("the run used up its turns", "raise agent.max_turns")
        if tokens(usage) > bounds.tokens:
            return AgentLimitReached("the run used up its tokens", "raise agent.max_tokens")
        if usage.cost_usd > bounds.dollars:
            return AgentLimitReached("the run used up its money", "raise agent.max_budget_usd")
        return None

    def _again(self, tool: str, arguments: Mapping[str, object]) -> bool:
        key = json.dumps([tool, dict(arguments)], sort_keys=True, default=str)
        now = self._now()
        at, times = self._asked.get(key, (now, 0))
        if now - at >= AGAIN_SECONDS:
            times = 0
        self._asked[key] = (now, times + 1)
        # Once more is fine: a model that asks in parallel may well repeat itself.
        return times >= 2

    def _spent(self, share: float) -> str:
        """The name of a bound of which at least `share` is used."""
        bounds, usage = self._bounds, self.usage
        if usage.turns >= min(share * bounds.turns, bounds.turns - (1 if share >= CONCLUDE else 2)):
            # The last model call is needed for the answer itself.
            return "model calls"
        if self._calls > share * bounds.tool_calls:
            return "tool calls"
        if tokens(usage) >= share * bounds.tokens:
            return "tokens"
        if usage.cost_usd >= share * bounds.dollars:
            return "dollars"
        if self.elapsed >= share * bounds.deadline.total_seconds():
            return "minutes"
        return ""


def tokens(usage: Usage) -> int:
    """All that was read and written."""
    return (
        usage.input_tokens
        + usage.output_tokens
        + usage.cache_read_tokens
        + usage.cache_write_tokens
    )


def add(one: Usage, other: Usage) -> Usage:
    """The sum of two."""
    return replace(
        one,
        turns=one.turns + other.turns,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )
