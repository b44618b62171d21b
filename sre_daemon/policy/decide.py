"""The decision: a pure, total function from a policy and a question to a verdict. Default deny.

The first policy whose matchers match one of the firing alerts decides, as in Alertmanager's routing tree:
whoever reads the file from the top sees what happens, and a stricter policy is put before a wider
one. There is no merging.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.verdict import REASONS, Decision, Reason, Verdict
from sre_daemon.policy import limits
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Rule
from sre_daemon.store.base import Acted


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a verdict depends on.

    `alerts`: the labels of the incident's firing alerts. `attempt`: repairs already begun for it.
    `diagnosis` is None when only effects are asked about (`policy explain`, the gate).
    """

    alerts: Sequence[Mapping[str, str]]
    effects: Sequence[Effect]
    at: datetime
    incident_id: str = ""
    diagnosis: Diagnosis | None = None
    attempt: int = 0
    acted: Sequence[Acted] = ()
    paused: bool = False


def match(policy: Policy | None, labels: Mapping[str, str]) -> Rule | None:
    """The first policy that matches these labels."""
    for rule in policy.policies if policy else ():
        if all(matcher.matches(labels) for matcher in rule.parsed):
            return rule
    return None


def decide(policy: Policy | None, question: Question) -> Verdict:
    """The verdict about all effects of a question, in their order."""
    trail: list[str] = []
    rule = _first(policy, question, trail)
    refusal = _refuse(policy, rule, question, trail)
    if refusal is not None:
        reason, message = refusal
        trail.append(f"deny: {message}")
        return Verdict(Decision.DENY, reason, message, rule.name if rule else "", tuple(trail))
    name = rule.name if rule else ""
    message = f"{name} allows " + "; ".join(effect.describe() for effect in question.effects)
    trail.append("allow")
    return Verdict(Decision.ALLOW, Reason.ALLOWED, message, name, tuple(trail))


def decide_effect(policy: Policy | None, question: Question, effect: Effect) -> Verdict:
    """The same for one effect of a repair that was allowed and is under way."""
    trail: list[str] = []
    rule = _first(policy, question, trail)
    refusal = (
        _ceiling(policy, rule)
        or (rule and _effect(rule, effect, trail))
        or (
            rule and limits.check(rule, [effect], question.incident_id, question.acted, question.at)
        )
    )
    name = rule.name if rule else ""
    if refusal:
        return Verdict(Decision.DENY, refusal[0], refusal[1], name, tuple(trail))
    return Verdict(
        Decision.ALLOW, Reason.ALLOWED, f"{name} allows {effect.describe()}", name, tuple(trail)
    )


Refusal = tuple[Reason, str]


def _first(policy: Policy | None, question: Question, trail: list[str]) -> Rule | None:
    for rule in policy.policies if policy else ():
        for labels in question.alerts:
            name = labels.get("alertname", "unnamed")
            failing = [str(m) for m in rule.parsed if not m.matches(labels)]
            if not failing:
                trail.append(f"policy {rule.name} matches alert {name}")
                return rule
            trail.append(f"policy {rule.name} does not match alert {name}: {failing[0]}")
    return None


def _refuse(
    policy: Policy | None, rule: Rule | None, question: Question, trail: list[str]
) -> Refusal | None:
    """The first reason against it, or None."""
    refusal = _ceiling(policy, rule)
    if refusal or rule is None:
        return refusal
    if question.paused:
        return Reason.PAUSED, "the daemon is paused; `sre-daemon resume` lifts it"
    if question.diagnosis is not None:
        refusal = _diagnosis(rule, question.diagnosis)
        if refusal:
            return refusal
    if not question.effects:
        return Reason.NO_EFFECTS, REASONS[Reason.NO_EFFECTS]
    for effect in question.effects:
        refusal = _effect(rule, effect, trail)
        if refusal:
            return refusal
    if question.attempt >= rule.limits.attempts_per_incident:
        return Reason.ATTEMPTS_SPENT, (
            f"{question.attempt} of {rule.limits.attempts_per_incident} attempts were made"
        )
    return limits.check(rule, question.effects, question.incident_id, question.acted, question.at)


def _ceiling(policy: Policy | None, rule: Rule | None) -> Refusal | None:
    if policy is None:
        return Reason.NO_POLICY, "there is no policy, so nothing may be changed"
    if rule is None:
        return Reason.NO_POLICY, REASONS[Reason.NO_POLICY]
    if policy.mode != "act":
        return Reason.MODE_CEILING, f"the mode of the policy file is {policy.mode}, not act"
    return None


def _diagnosis(rule: Rule, diagnosis: Diagnosis) -> Refusal | None:
    if not diagnosis.conclusive:
        return Reason.INCONCLUSIVE, REASONS[Reason.INCONCLUSIVE]
    # Not `<`: a confidence that is no number must not pass.
    if not diagnosis.confidence >= rule.require.min_confidence:
        return Reason.LOW_CONFIDENCE, (
            f"confidence {diagnosis.confidence:.2f} is below the required "
            f"{rule.require.min_confidence:.2f}"
        )
    if rule.require.evidence and not diagnosis.supported:
        return Reason.UNSUPPORTED_EVIDENCE, REASONS[Reason.UNSUPPORTED_EVIDENCE]
    return None


def _effect(rule: Rule, effect: Effect, trail: list[str]) -> Refusal | None:
    if any(allow.allows(effect) for allow in rule.allow):
        trail.append(f"{rule.name} lists: {effect.describe()}")
        return None
    if any(allow.covers(effect) for allow in rule.allow):
        return (
            Reason.VALUE_OUT_OF_BOUNDS,
            f"{rule.name} does not allow this value: {effect.describe()}",
        )
    return Reason.EFFECT_NOT_ALLOWED, f"{rule.name} does not allow: {effect.describe()}"
