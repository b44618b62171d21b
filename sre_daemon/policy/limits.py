"""Limits: how often a policy may act, counted over what the store says was begun. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sre_daemon.domain.effect import Effect
from sre_daemon.domain.verdict import Reason
from sre_daemon.policy.model import Rule
from sre_daemon.store.base import Acted

HOUR = timedelta(hours=1)


def check(
    rule: Rule,
    effects: Sequence[Effect],
    incident_id: str,
    acted: Sequence[Acted],
    at: datetime,
) -> tuple[Reason, str] | None:
    """Why the policy may not act now for this incident, or None.

    What this incident itself began does not count against it here: attempts do.
    """
    others = [item for item in acted if item.incident_id != incident_id]
    busy = {target for item in others if item.active for target in item.targets}
    wanted = {effect.target for effect in effects}
    if busy & wanted:
        target = min(busy & wanted)
        return Reason.CONCURRENCY, f"another incident is being repaired on {target}"
    mine = [item for item in others if item.policy == rule.name]
    limits = rule.limits
    if sum(item.active for item in mine) >= limits.concurrent:
        return Reason.CONCURRENCY, f"{limits.concurrent} repairs under {rule.name} are under way"
    recent = [item for item in mine if at - item.at < HOUR]
    if len(recent) >= limits.per_hour:
        return Reason.RATE_LIMITED, (
            f"{rule.name} acted {len(recent)} times in the last hour; the limit is "
            f"{limits.per_hour}"
        )
    last = max((item.at for item in mine), default=None)
    if last is not None and at - last < limits.cooldown:
        return Reason.COOLING_DOWN, (
            f"{rule.name} acted {(at - last).total_seconds():.0f} s ago; its cool-down is "
            f"{limits.cooldown.total_seconds():.0f} s"
        )
    return None
