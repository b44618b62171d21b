"""The rules of the policy as people look at them: what each allows, how far it goes now, how it fared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.trial import Trial
from sre_daemon.policy.allow import Allow, AllowConfigSet, AllowService
from sre_daemon.policy.autonomy import level, levels
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Rule
from sre_daemon.report.attempts import Attempt, Ending, attempts

RECENT = 5
PERIOD = timedelta(days=30)


class History(Protocol):
    """The part of the store that is needed; raises StoreUnavailable."""

    async def incidents(self, since: datetime, until: datetime) -> list[Incident]:
        """Those of the period."""
        ...

    async def effects(self, since: datetime, until: datetime) -> list[EffectRecord]:
        """Effects begun in the period."""
        ...


class Source(Protocol):
    """The policy as it is on disk now."""

    def current(self) -> Policy | None:
        """Raises PolicyFileError."""
        ...


class Trials(Protocol):
    """The record of policies."""

    async def of(self, policies: Sequence[str]) -> list[Trial]:
        """Those of some policies, in order; raises StoreUnavailable."""
        ...


class RuleBook:
    """The rules now, with what became of them in the last weeks."""

    def __init__(self, source: Source, history: History, trials: Trials, clock: Clock) -> None:
        self._source = source
        self._history = history
        self._trials = trials
        self._clock = clock

    async def __call__(self) -> list[dict[str, object]]:
        """See `rules`; raises PolicyFileError, StoreUnavailable."""
        policy, now = self._source.current(), self._clock.now()
        known = {i.id: i for i in await self._history.incidents(now - PERIOD, now)}
        effects = await self._history.effects(now - PERIOD, now)
        names = [rule.name for rule in policy.policies] if policy else []
        earned = levels(policy, await self._trials.of(names))
        return rules(policy, earned, attempts(effects, known), now)


def rules(
    policy: Policy | None,
    earned: Mapping[str, Autonomy],
    tried: Sequence[Attempt],
    at: datetime,
) -> list[dict[str, object]]:
    """One entry per rule, in the order of the file."""
    if policy is None:
        return []
    return [_rule(policy, rule, earned, tried, at) for rule in policy.policies]


def _rule(
    policy: Policy,
    rule: Rule,
    earned: Mapping[str, Autonomy],
    tried: Sequence[Attempt],
    at: datetime,
) -> dict[str, object]:
    now = level(rule, policy, earned, at)
    mine = [item for item in tried if item.policy == rule.name]
    endings = Counter(item.ending for item in mine)
    return {
        "name": rule.name,
        "matchers": [str(matcher) for matcher in rule.parsed],
        "level": now.autonomy.value,
        "because": now.text,
        "allows": [_allow(item) for item in rule.allow],
        "windows": list(rule.active_time_intervals),
        "guards": list(rule.guard_queries),
        "proof": list(rule.verify.promql),
        "alerts_resolved": rule.verify.alerts_resolved,
        "hold": _seconds(rule.verify.hold),
        "within": _seconds(rule.verify.within),
        "on_failure": rule.on_failure,
        "approvers": list(rule.approvers),
        "attempts": len(mine),
        "endings": {ending.value: endings[ending] for ending in Ending},
        "recent": [
            {
                "id": item.incident.id,
                "title": item.incident.title,
                "at": item.at,
                "ending": item.ending.value,
            }
            for item in mine[: -RECENT - 1 : -1]
        ],
    }


def _allow(allow: Allow) -> str:
    match allow:
        case AllowConfigSet():
            return f"set {allow.key} in {allow.path}: {_bounds(allow)}"
        case AllowService():
            return f"{allow.effect.partition('.')[2]} {allow.service}"
        case _:
            return allow.effect


def _bounds(allow: AllowConfigSet) -> str:
    value = allow.value
    words: list[str] = [value.type]
    if value.min is not None and value.max is not None:
        words.append(f"{value.min:g} to {value.max:g}")
    if value.enum is not None:
        words.append(f"one of {', '.join(value.enum)}")
    if value.pattern is not None:
        words.append(f"like {value.pattern}")
    return " ".join(words)


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"
