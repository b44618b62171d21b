"""How much a policy may do by itself now: the file, its record, the time, and the mode. Pure.

Each of them can only lower what the one before it left; only a promotion that the file itself
promises raises the level that the file begins with.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sre_daemon.domain.autonomy import LADDER, Autonomy, lower
from sre_daemon.domain.trial import BAD, GOOD, Trial, TrialOutcome
from sre_daemon.domain.verdict import Reason
from sre_daemon.policy.file import Policy
from sre_daemon.policy.intervals import active
from sre_daemon.policy.model import Rule

CEILINGS: Mapping[str, Autonomy] = {
    "observe": Autonomy.SHADOW,
    "suggest": Autonomy.ASK,
    "act": Autonomy.AUTO,
}


@dataclass(frozen=True, slots=True)
class Level:
    """How far it may go now; `reason` and `text` say what keeps it from going further."""

    autonomy: Autonomy
    reason: Reason
    text: str


def level(rule: Rule, policy: Policy, earned: Mapping[str, Autonomy], at: datetime) -> Level:
    """The level of this policy at this moment."""
    filed = Autonomy(rule.autonomy)
    now = lower(earned.get(rule.name, filed), rule.ceiling)
    if now.rank < filed.rank:
        found = Level(now, Reason.DEMOTED, f"autonomy {filed}, but by its record {now}")
    elif now.rank > filed.rank:
        found = Level(now, Reason.AUTONOMY, f"autonomy {filed}, and it earned {now}")
    else:
        found = Level(now, Reason.AUTONOMY, f"autonomy {now}")
    if found.autonomy is Autonomy.AUTO and not active(
        rule.active_time_intervals, policy.intervals, at
    ):
        names = ", ".join(rule.active_time_intervals)
        text = f"{found.text}, but only ask outside {names}"
        found = Level(Autonomy.ASK, Reason.OUTSIDE_WINDOW, text)
    ceiling = CEILINGS.get(policy.mode, Autonomy.SHADOW)
    if ceiling.rank < found.autonomy.rank:
        text = f"{found.text}, but the mode of the file is {policy.mode}: {ceiling}"
        found = Level(ceiling, Reason.MODE_CEILING, text)
    return found


def rule_digest(rule: Rule) -> str:
    """A name for exactly this rule: another one starts a record of its own."""
    return hashlib.sha256(rule.model_dump_json().encode()).hexdigest()


def earned(rule: Rule, trials: Iterable[Trial]) -> Autonomy:
    """The level by the record: the trials of this rule, in order."""
    now, successes, digest = Autonomy(rule.autonomy), 0, rule_digest(rule)
    for trial in trials:
        if trial.policy != rule.name or trial.digest != digest:
            continue
        if trial.outcome is TrialOutcome.GRANTED:
            now, successes = Autonomy(rule.autonomy), 0
        elif trial.outcome in BAD:
            now, successes = demoted(rule, now), 0
        elif trial.outcome is TrialOutcome.WRONG:
            successes = 0
        elif trial.outcome in GOOD:
            successes += 1
            then = promoted(rule, now, successes)
            now, successes = then, 0 if then is not now else successes
    return now


def levels(policy: Policy | None, trials: Sequence[Trial]) -> Mapping[str, Autonomy]:
    """The level of each policy by its record, by name."""
    return {rule.name: earned(rule, trials) for rule in (policy.policies if policy else ())}


def promoted(rule: Rule, now: Autonomy, successes: int) -> Autonomy:
    """The level after so many verified successes in a row at the level `now`."""
    if rule.promotion is None or successes < rule.promotion.after:
        return now
    if now.rank >= rule.ceiling.rank:
        return now
    return LADDER[now.rank + 1]


def demoted(rule: Rule, now: Autonomy) -> Autonomy:
    """The level after a failed proof."""
    return lower(now, Autonomy(rule.demotion.to))
