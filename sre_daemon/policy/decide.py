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
from sre_daemon.domain.effect import CONFIRMED, Effect
from sre_daemon.domain.outward import SilenceCreate
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
    if policy is None:
        return _denied("there is no policy, so nothing may be changed", [])
    tree = [Node(Mark.YES if policy.mode == "act" else Mark.NOTE, f"mode {policy.mode}")]
    rule = _first(policy, question, tree)
    if rule is None:
        return _denied(REASONS[Reason.NO_POLICY], tree)
    now = level(rule, policy, question.earned, question.at)
    now = _with_evidence(now, question.diagnosis)
    now = _confirmed(now, question.effects)
    found = list(checks(policy, rule, question))
    # The last node is that of the policy; what was looked at belongs to it.
    matched = tree.pop()
    mark = Mark.YES if now.autonomy is Autonomy.AUTO else Mark.NOTE
    nodes = (*matched.nodes, Node(mark, now.text), *(item.node for item in found))
    tree.append(replace(matched, nodes=nodes))
    for item in found:
        if item.against is not None:
            return _verdict(Decision.DENY, item.against, item.text, rule.name, tree)
    return _yes(rule, now, question, tree)


def _denied(message: str, tree: list[Node]) -> Verdict:
    return _verdict(Decision.DENY, Reason.NO_POLICY, message, "", tree)


def _with_evidence(now: Level, diagnosis: Diagnosis | None) -> Level:
    """No policy can let what nobody could look up act alone, also one that requires no evidence."""
    if diagnosis is None or diagnosis.supported or now.autonomy is not Autonomy.AUTO:
        return now
    text = f"{now.text}, but only ask, because its evidence was not found in the tool output"
    return Level(Autonomy.ASK, Reason.UNSUPPORTED_EVIDENCE, text)


def _confirmed(now: Level, effects: Sequence[Effect]) -> Level:
    """No policy can let alone what only a person may agree to."""
    kinds = sorted({effect.kind for effect in effects} & CONFIRMED)
    if not kinds or now.autonomy is not Autonomy.AUTO:
        return now
    text = f"{now.text}, but only ask, because {' and '.join(kinds)} is for a person to confirm"
    return Level(Autonomy.ASK, Reason.AUTONOMY, text)


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


def _first(policy: Policy, question: Question, tree: list[Node]) -> Rule | None:
    """The first policy that matches one of the alerts; every one that was looked at is a node."""
    for rule in policy.policies:
        # One line for each matcher that fails, however many alerts it fails for.
        failing: dict[str, list[str]] = {}
        for labels in question.alerts:
            name = labels.get("alertname", "unnamed")
            wrong = next((m for m in rule.parsed if not m.matches(labels)), None)
            if wrong is None:
                node = Node(Mark.YES, f"matches alert {name}")
                tree.append(Node(Mark.YES, f"policy {rule.name}", (node,)))
                return rule
            failing.setdefault(str(wrong), []).append(name)
        nodes = [Node(Mark.NO, _misses(wrong, names)) for wrong, names in failing.items()]
        tree.append(Node(Mark.NO, f"policy {rule.name}", tuple(nodes)))
    return None


def _misses(matcher: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{matcher} does not match alert {names[0]}{more}"


def _repair(policy: Policy, rule: Rule, question: Question) -> Iterator[Check]:
    """What is looked at before a repair, in the order in which it is told."""
    yield _pause(question)
    if question.diagnosis is not None:
        yield from _diagnosis(rule, question.diagnosis, question.engine)
    if not question.effects:
        yield Check(REASONS[Reason.NO_EFFECTS], Reason.NO_EFFECTS)
    for effect in question.effects:
        yield _effect(rule, effect, question.alerts)
    made, most = question.attempt, rule.limits.attempts_per_incident
    spent = Reason.ATTEMPTS_SPENT if made >= most else None
    yield Check(f"{made} of {most} attempts were made", spent)
    yield from limits.check(rule, policy.limits, question)
    for query in rule.guard_queries:
        if query in question.guards:
            yield _guard(query, question)
        else:
            yield Check(f"guard is evaluated before each effect: {query}", open=True)


def _one_effect(policy: Policy, rule: Rule, question: Question) -> Iterator[Check]:
    """What is looked at immediately before one effect."""
    yield _pause(question)
    for effect in question.effects:
        yield _effect(rule, effect, question.alerts)
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


def _effect(rule: Rule, effect: Effect, alerts: Sequence[Mapping[str, str]]) -> Check:
    what = effect.describe()
    if isinstance(effect, SilenceCreate) and not any(map(effect.within, alerts)):
        return Check(f"it would mute more than this alert: {what}", Reason.VALUE_OUT_OF_BOUNDS)
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
