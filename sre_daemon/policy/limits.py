"""Limits: how much may be changed at once and how often, counted over what the store says was begun. Pure.

What an incident itself began does not count against it here: attempts do. A policy's own limits
bound one policy; the limits of the file bound all of them together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sre_daemon.domain.effect import Effect
from sre_daemon.domain.verdict import Reason
from sre_daemon.policy.model import FleetLimits, Rule, Storm
from sre_daemon.policy.question import Check, Question
from sre_daemon.store.base import Acted

HOUR = timedelta(hours=1)
SERVICE = "service:"


def check(rule: Rule, fleet: FleetLimits, question: Question) -> Iterator[Check]:
    """Every limit, in order."""
    others = [item for item in question.acted if item.incident_id != question.incident_id]
    mine = [item for item in others if item.policy == rule.name]
    yield _targets(question.effects, others)
    yield _concurrent(rule, mine)
    yield from _radius(fleet, question, [item for item in others if item.active])
    yield _rate(rule, mine, question.at)
    yield _cooldown(rule, mine, question.at)
    yield _target_cooldown(fleet, question, others)
    yield _changes(fleet, others, question.at)
    yield _storm(fleet.storm, question)


def _targets(effects: Sequence[Effect], others: Sequence[Acted]) -> Check:
    busy = {target for item in others if item.active for target in item.targets}
    shared = busy & {effect.target for effect in effects}
    if shared:
        return Check(f"another incident is being repaired on {min(shared)}", Reason.CONCURRENCY)
    return Check("no other incident is being repaired on these targets")


def _concurrent(rule: Rule, mine: Sequence[Acted]) -> Check:
    active, most = sum(item.active for item in mine), rule.limits.concurrent
    text = f"{active} of {most} repairs under {rule.name} are under way"
    return Check(text, Reason.CONCURRENCY if active >= most else None)


def _radius(fleet: FleetLimits, question: Question, active: Sequence[Acted]) -> Iterator[Check]:
    most = fleet.concurrent
    here = _services(fleet, question.alerts, [effect.target for effect in question.effects])
    there = [_services(fleet, [item.labels], item.targets) for item in active]
    yield from _count("service", here, there, most.service)
    hosts = [_hosts(fleet, [item.labels]) for item in active]
    yield from _count("host", _hosts(fleet, question.alerts), hosts, most.host)
    text = f"{len(active)} of {most.fleet} repairs are under way in the fleet"
    yield Check(text, Reason.BLAST_RADIUS if len(active) >= most.fleet else None)


def _count(
    what: str, here: Iterable[str], there: Sequence[frozenset[str]], most: int
) -> Iterator[Check]:
    for name in sorted(here):
        active = sum(name in others for others in there)
        text = f"{active} of {most} repairs are under way on {what} {name}"
        yield Check(text, Reason.BLAST_RADIUS if active >= most else None)


def _services(
    fleet: FleetLimits, alerts: Iterable[Mapping[str, str]], targets: Iterable[str]
) -> frozenset[str]:
    """What the alerts are about, and what is restarted or redeployed."""
    named = {labels.get(fleet.service_label, "") for labels in alerts}
    touched = {t.removeprefix(SERVICE) for t in targets if t.startswith(SERVICE)}
    return frozenset(named | touched) - {""}


def _hosts(fleet: FleetLimits, alerts: Iterable[Mapping[str, str]]) -> frozenset[str]:
    return frozenset(host(labels.get(fleet.host_label, "")) for labels in alerts) - {""}


def host(instance: str) -> str:
    """`web-1` of `web-1:9100`, and `::1` of `[::1]:9100`."""
    name, colon, port = instance.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in name or name.endswith("]")):
        instance = name
    return instance.removeprefix("[").removesuffix("]")


def _rate(rule: Rule, mine: Sequence[Acted], at: datetime) -> Check:
    recent, most = sum(at - item.at < HOUR for item in mine), rule.limits.per_hour
    text = f"{rule.name} acted {recent} times in the last hour; the limit is {most}"
    return Check(text, Reason.RATE_LIMITED if recent >= most else None)


def _cooldown(rule: Rule, mine: Sequence[Acted], at: datetime) -> Check:
    last = max((item.at for item in mine), default=None)
    if last is None:
        return Check(f"{rule.name} did not act lately")
    text = f"{rule.name} acted {_seconds(at - last)} ago; its cool-down is " + _seconds(
        rule.limits.cooldown
    )
    return Check(text, Reason.COOLING_DOWN if at - last < rule.limits.cooldown else None)


def _target_cooldown(fleet: FleetLimits, question: Question, others: Sequence[Acted]) -> Check:
    last: dict[str, datetime] = {}
    for item in others:
        for target in item.targets:
            last[target] = max(last.get(target, item.at), item.at)
    for target in sorted({effect.target for effect in question.effects} & set(last)):
        ago = question.at - last[target]
        if ago < fleet.target_cooldown:
            return Check(
                f"{target} was changed {_seconds(ago)} ago; the cool-down of a target is "
                + _seconds(fleet.target_cooldown),
                Reason.TARGET_COOLING,
            )
    return Check("no other incident changed these targets lately")


def _changes(fleet: FleetLimits, others: Sequence[Acted], at: datetime) -> Check:
    recent, most = sum(at - item.at < HOUR for item in others), fleet.changes_per_hour
    text = f"all policies acted {recent} times in the last hour; the limit is {most}"
    return Check(text, Reason.CHANGES_SPENT if recent >= most else None)


def _storm(storm: Storm, question: Question) -> Check:
    opened = sorted(question.opened)
    # The last of every `incidents` in a row; a storm began where they are close together.
    for first, last in zip(opened, opened[storm.incidents - 1 :], strict=False):
        if last - first <= storm.within and question.at - last < storm.cooldown:
            return Check(
                f"{storm.incidents} incidents were opened within {_seconds(last - first)}; "
                f"nothing is changed for {_seconds(storm.cooldown)} after that",
                Reason.STORM_COOLDOWN,
            )
    return Check("no storm of incidents lately")


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.0f} s"
