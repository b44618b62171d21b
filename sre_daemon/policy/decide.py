"""The decision: a pure, total function from a policy and a question to a verdict. Default deny.

The first policy whose matchers match one of the firing alerts decides, as in Alertmanager's routing tree:
whoever reads the file from the top sees what happens, and a stricter policy is put before a wider
one. There is no merging.

Everything is looked at, so that the tree shows all that stands against it; the first no in the
order of the list is the reason. Without a no the level of autonomy says which yes it is: allow,
ask, or shadow, where it is said what would have been done.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.verdict import REASONS, Decision, Mark, Node, Reason, Verdict
from sre_daemon.policy import limits
from sre_daemon.policy.autonomy import Level, level
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Rule
from sre_daemon.policy.question import RUNBOOK_ENGINE, Check, Question

Checks = Callable[[Policy, Rule, Question], Iterator[Check]]

__all__ = ["Question", "decide", "decide_effect", "deciding", "match"]

ANSWERS: Mapping[Autonomy, Decision] = {
    Autonomy.AUTO: Decision.ALLOW,
    Autonomy.ASK: Decision.ASK,
    Autonomy.SHADOW: Decision.SHADOW,
}


def match(policy: Policy | None, labels: Mapping[str, str]) -> Rule | None:
    """The first policy that matches these labels."""
    for rule in policy.policies if policy else ():
        if all(matcher.matches(labels) for matcher in rule.parsed):
            return rule
    return None


def deciding(policy: Policy | None, alerts: Sequence[Mapping[str, str]]) -> Rule | None:
    """The policy that decides about alerts with these labels: the first that matches one of them."""
    for rule in policy.policies if policy else ():
        if any(all(m.matches(labels) for m in rule.parsed) for labels in alerts):
            return rule
    return None


def decide(policy: Policy | None, question: Question) -> Verdict:
    """The verdict about all effects of a question, in their order."""
    return _decide(policy, question, _repair)


def decide_effect(policy: Policy | None, question: Question, effect: Effect) -> Verdict:
    """The same for one effect of a repair that was decided and is under way: what the gate asks.

    The guards must have been evaluated; the diagnosis and the attempts were looked at before.
    """
    return _decide(policy, replace(question, effects=(effect,)), _one_effect)


def _decide(policy: Policy | None, question: Question, checks: Checks) -> Verdict:
    tree: list[Node] = []
    rule = _first(policy, question, tree)
    if policy is None or rule is None:
        none = "there is no policy, so nothing may be changed"
        message = REASONS[Reason.NO_POLICY] if policy else none
        return _verdict(Decision.DENY, Reason.NO_POLICY, message, "", tree)
    now = level(rule, policy.mode, policy.intervals, question.earned, question.at)
    tree.append(Node(_mark(now), now.text))
    found = list(checks(policy, rule, question))
    tree += [Node(Mark.NO if item.against else Mark.YES, item.text) for item in found]
    for item in found:
        if item.against is not None:
            return _verdict(Decision.DENY, item.against, item.text, rule.name, tree)
    return _yes(rule, now, question, tree)


def _yes(rule: Rule, now: Level, question: Question, tree: list[Node]) -> Verdict:
    decision, reason = ANSWERS[now.autonomy], now.reason
    what = "; ".join(effect.describe() for effect in question.effects)
    if decision is Decision.ASK and question.approved:
        tree.append(Node(Mark.YES, "a person agreed"))
        decision = Decision.ALLOW
    if decision is Decision.ALLOW:
        return _verdict(decision, Reason.ALLOWED, f"{rule.name} allows {what}", rule.name, tree)
    verb = "asks before" if decision is Decision.ASK else "only watches; it would have allowed:"
    return _verdict(decision, reason, f"{rule.name} {verb} {what} ({now.text})", rule.name, tree)


def _verdict(
    decision: Decision, reason: Reason, message: str, policy: str, tree: list[Node]
) -> Verdict:
    mark = Mark.YES if decision is Decision.ALLOW else Mark.NO
    end = Node(mark, str(decision) if decision is Decision.ALLOW else f"{decision}: {message}")
    return Verdict(decision, reason, message, policy, (*tree, end))


def _mark(now: Level) -> Mark:
    return Mark.YES if now.autonomy is Autonomy.AUTO else Mark.NOTE


def _first(policy: Policy | None, question: Question, tree: list[Node]) -> Rule | None:
    for rule in policy.policies if policy else ():
        for labels in question.alerts:
            name = labels.get("alertname", "unnamed")
            failing = [str(m) for m in rule.parsed if not m.matches(labels)]
            if not failing:
                tree.append(Node(Mark.YES, f"policy {rule.name} matches alert {name}"))
                return rule
            text = f"policy {rule.name} does not match alert {name}: {failing[0]}"
            tree.append(Node(Mark.NO, text))
    return None


def _repair(policy: Policy, rule: Rule, question: Question) -> Iterator[Check]:
    """What is looked at before a repair, in the order in which it is told."""
    yield _pause(question)
    if question.diagnosis is not None:
        yield from _diagnosis(rule, question.diagnosis, question.engine)
    if not question.effects:
        yield Check(REASONS[Reason.NO_EFFECTS], Reason.NO_EFFECTS)
    for effect in question.effects:
        yield _effect(rule, effect)
    made, most = question.attempt, rule.limits.attempts_per_incident
    spent = Reason.ATTEMPTS_SPENT if made >= most else None
    yield Check(f"{made} of {most} attempts were made", spent)
    yield from limits.check(rule, policy.limits, question)
    for query in rule.guard_queries:
        if query in question.guards:
            yield _guard(query, question)


def _one_effect(policy: Policy, rule: Rule, question: Question) -> Iterator[Check]:
    """What is looked at immediately before one effect."""
    yield _pause(question)
    for effect in question.effects:
        yield _effect(rule, effect)
    yield from limits.check(rule, policy.limits, question)
    for query in rule.guard_queries:
        yield _guard(query, question)


def _pause(question: Question) -> Check:
    if question.paused:
        return Check("the daemon is paused; `sre-daemon resume` lifts it", Reason.PAUSED)
    return Check("the daemon is not paused")


def _diagnosis(rule: Rule, diagnosis: Diagnosis, engine: str) -> Iterator[Check]:
    if rule.deterministic:
        against = None if engine == RUNBOOK_ENGINE else Reason.NOT_DETERMINISTIC
        yield Check(f"{rule.name} wants the runbook engine; {engine or 'nobody'} was it", against)
    if diagnosis.conclusive:
        yield Check("the diagnosis is conclusive")
    else:
        yield Check(REASONS[Reason.INCONCLUSIVE], Reason.INCONCLUSIVE)
    least = rule.require.min_confidence
    # Not `<`: a confidence that is no number must not pass.
    if diagnosis.confidence >= least:
        yield Check(f"confidence {diagnosis.confidence:.2f} is at least {least:.2f}")
    else:
        yield Check(
            f"confidence {diagnosis.confidence:.2f} is below the required {least:.2f}",
            Reason.LOW_CONFIDENCE,
        )
    if not rule.require.evidence:
        return
    if diagnosis.supported:
        yield Check("its evidence was found in the recorded tool output")
    else:
        yield Check(REASONS[Reason.UNSUPPORTED_EVIDENCE], Reason.UNSUPPORTED_EVIDENCE)


def _effect(rule: Rule, effect: Effect) -> Check:
    what = effect.describe()
    if any(allow.allows(effect) for allow in rule.allow):
        return Check(f"{rule.name} lists: {what}")
    if any(allow.covers(effect) for allow in rule.allow):
        return Check(f"{rule.name} does not allow this value: {what}", Reason.VALUE_OUT_OF_BOUNDS)
    return Check(f"{rule.name} does not allow: {what}", Reason.EFFECT_NOT_ALLOWED)


def _guard(query: str, question: Question) -> Check:
    if query not in question.guards:
        return Check(f"guard was not evaluated: {query}", Reason.NO_DATA)
    said = question.guards[query]
    if said is None:
        return Check(f"guard has no data: {query}", Reason.NO_DATA)
    if not said:
        return Check(f"guard does not hold: {query}", Reason.GUARD_FAILED)
    return Check(f"guard holds: {query}")
