"""What proves a repair: taken from the policy at the decision, kept with the incident, read by the proof.

It is kept, not read again, so that an edited policy file cannot make a running proof easier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sre_daemon.policy.model import Rule


@dataclass(frozen=True, slots=True)
class Proof:
    """All conditions must hold for `hold`, within `within` of the last effect.

    So must the guards; one of them that is broken for as long is a regression, and ends it early.
    """

    alerts_resolved: bool
    promql: Sequence[str]
    hold: timedelta
    within: timedelta
    rollback: bool
    guards: Sequence[str] = ()


def proof_to_json(rule: Rule) -> dict[str, object]:
    """JSON values only."""
    return {
        "alerts_resolved": rule.verify.alerts_resolved,
        "promql": list(rule.verify.promql),
        "hold_seconds": rule.verify.hold.total_seconds(),
        "within_seconds": rule.verify.within.total_seconds(),
        "rollback": rule.on_failure == "rollback",
        "guards": list(rule.guard_queries),
    }


def proof_from_json(data: object) -> Proof | None:
    """What `proof_to_json` wrote, or None where there is nothing."""
    if not isinstance(data, Mapping):
        return None
    fields: dict[str, Any] = dict(data)
    return Proof(
        alerts_resolved=fields["alerts_resolved"],
        promql=tuple(fields["promql"]),
        hold=timedelta(seconds=fields["hold_seconds"]),
        within=timedelta(seconds=fields["within_seconds"]),
        rollback=fields["rollback"],
        guards=tuple(fields.get("guards", ())),
    )
