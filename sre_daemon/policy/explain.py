"""`policy explain`: which policy decides about an alert, what it allows, and why, as data."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sre_daemon.domain.effect import Effect
from sre_daemon.policy.decide import Question, decide, match
from sre_daemon.policy.file import Policy


def explain(
    policy: Policy | None,
    labels: Mapping[str, str],
    at: datetime,
    effects: Sequence[Effect] = (),
) -> dict[str, object]:
    """JSON values: `verdict`, `reason`, `message`, `policy`, `mode`, `trail`, `allows`.

    Without effects the verdict is about nothing in particular: `allows` says what could be done.
    """
    verdict = decide(policy, Question(alerts=(labels,), effects=tuple(effects), at=at))
    rule = match(policy, labels)
    return {
        "mode": policy.mode if policy else "none",
        "policy": verdict.policy,
        "verdict": verdict.decision.value,
        "reason": verdict.reason.value,
        "message": verdict.message,
        "trail": list(verdict.trail),
        "allows": [allow.model_dump(exclude_none=True) for allow in rule.allow] if rule else [],
    }
