"""`policy backtest`: what a policy would have said at each recorded decision. Pure.

Limits are counted over what this policy would have begun, in the order of time: what it allows, and
what it asks for where a person really agreed. Not known afterwards, and so left open: what guards
said, and what a policy had earned by then.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sre_daemon.domain.verdict import Decision, Verdict
from sre_daemon.policy.decide import decide, deciding
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Verify
from sre_daemon.policy.question import Question
from sre_daemon.store.base import Acted

NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Past:
    """A decision as it was recorded: what was asked, what was said then, and what came of it.

    `question` is without what others did: that depends on the policy. `began` is whether a repair
    followed, `over` when it was over; `ending` is a word for people and programs.
    """

    title: str
    question: Question
    decision: Decision
    policy: str
    reason: str
    began: bool
    over: datetime | None
    ending: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded decision, and what the policy would have said."""

    past: Past
    verdict: Verdict

    @property
    def differs(self) -> bool:
        """Whether that is another verdict, or that of another policy."""
        return (self.verdict.decision, self.verdict.policy) != (
            self.past.decision,
            self.past.policy,
        )


@dataclass(frozen=True, slots=True)
class _Begun:
    acted: Acted
    over: datetime


def backtest(
    policy: Policy | None, pasts: Iterable[Past], opened: Sequence[datetime]
) -> list[Judged]:
    """Ask the policy about each, in the order of time. `opened`: when incidents were opened."""
    judged: list[Judged] = []
    begun: list[_Begun] = []
    for past in sorted(pasts, key=lambda item: item.question.at):
        question = _with_history(past.question, begun, opened)
        verdict = decide(policy, question)
        judged.append(Judged(past, verdict))
        agreed = verdict.decision is Decision.ASK and past.began
        if verdict.decision is Decision.ALLOW or agreed:
            begun.append(_begin(policy, past, verdict))
    return judged


def _with_history(
    question: Question, begun: Sequence[_Begun], opened: Sequence[datetime]
) -> Question:
    mine = [item for item in begun if item.acted.incident_id == question.incident_id]
    return replace(
        question,
        attempt=len(mine),
        acted=[replace(item.acted, active=item.over > question.at) for item in begun],
        opened=[at for at in opened if at <= question.at],
    )


def _begin(policy: Policy | None, past: Past, verdict: Verdict) -> _Begun:
    """A repair that really was made took as long as it took; another one, as long as its proof may."""
    question = past.question
    rule = deciding(policy, question.alerts)
    within: timedelta = (rule.verify if rule else Verify()).within
    over = past.over if past.began and past.over is not None else question.at + within
    labels = question.alerts[0] if question.alerts else {}
    targets = [effect.target for effect in question.effects]
    acted = Acted(question.incident_id, verdict.policy, targets, question.at, True, labels)
    return _Begun(acted, over)


def totals(judged: Iterable[Judged]) -> Mapping[str, Mapping[str, int]]:
    """How often each policy would have said what; `none` where none matches."""
    counted: dict[str, Counter[str]] = {}
    for item in judged:
        name = item.verdict.policy or NOBODY
        counted.setdefault(name, Counter())[item.verdict.decision.value] += 1
    return {name: _whole(counts) for name, counts in sorted(counted.items())}


def endings(judged: Iterable[Judged]) -> Mapping[str, Mapping[str, int]]:
    """What really came of those that it would have allowed, asked about, watched, refused."""
    counted: dict[str, Counter[str]] = {decision.value: Counter() for decision in Decision}
    for item in judged:
        counted[item.verdict.decision.value][item.past.ending] += 1
    return {name: dict(sorted(counts.items())) for name, counts in counted.items()}


def _whole(counts: Mapping[str, int]) -> Mapping[str, int]:
    return {decision.value: counts.get(decision.value, 0) for decision in Decision}
