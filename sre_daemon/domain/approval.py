"""An approval: a person's answer to exactly these effects on targets that are exactly as they were.

It is stored before anybody is asked, answered at most once, used at most once, and bound to one
attempt of one incident. Whatever changes in between makes it void.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sre_daemon.domain.audit import canonical
from sre_daemon.domain.effect import Effect, to_json
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Person, Role

# Whoever agreed, agreed to what is so now: later than this the daemon asks again.
GRANT = timedelta(minutes=10)


class ApprovalState(StrEnum):
    """How far it is. Only `pending` can be answered, and only `granted` be used."""

    PENDING = "pending"
    GRANTED = "granted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    USED = "used"


class Answer(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    REJECT = "reject"


class Refusal(StrEnum):
    """Why an answer does not count; `REFUSALS` has a sentence and the next step for each."""

    NOT_ASKED = "not_asked"
    ROLE = "role"
    NOT_AN_APPROVER = "not_an_approver"
    CHANGED = "changed"
    EXPIRED = "expired"
    DECIDED = "decided"
    VOID = "void"


REFUSALS: Mapping[Refusal, tuple[str, str]] = {
    Refusal.NOT_ASKED: (
        "the incident waits for no approval",
        "look at its state; it may have ended or gone to a person",
    ),
    Refusal.ROLE: ("the role is not enough", "an approver or an administrator can answer"),
    Refusal.NOT_AN_APPROVER: (
        "the policy names other approvers",
        "ask one of them; `approvers` in the policy says who",
    ),
    Refusal.CHANGED: (
        "the proposal is not the one that you saw",
        "look at the incident again and answer what it proposes now",
    ),
    Refusal.EXPIRED: (
        "the approval expired",
        "the incident is a person's now; `incident hand-back` lets the daemon try again",
    ),
    Refusal.DECIDED: ("it was answered already", "the timeline says by whom"),
    Refusal.VOID: (
        "the approval is void: what it was about has changed since",
        "the timeline says what changed; `incident hand-back` lets the daemon look again",
    ),
}


@dataclass(frozen=True, slots=True)
class Approval:
    """One question to people, and its answer.

    `targets` is what was seen of each target when it was asked; `digest` names all of it, and
    whoever answers says which digest the answer is for. `approvers` are names or groups.
    """

    id: str
    incident_id: str
    attempt: int
    policy: str
    effects: Sequence[Effect]
    targets: Mapping[str, object]
    requested_at: datetime
    expires_at: datetime
    approvers: Sequence[str] = ()
    state: ApprovalState = ApprovalState.PENDING
    decided_at: datetime | None = None
    who: str = ""
    role: str = ""
    reason: str = ""
    used_at: datetime | None = None
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", self._digest())

    def _digest(self) -> str:
        proposal = [
            self.incident_id,
            self.attempt,
            self.policy,
            [to_json(effect) for effect in self.effects],
            dict(self.targets),
        ]
        return hashlib.sha256(canonical(proposal).encode()).hexdigest()

    def holds(self, effects: Sequence[Effect], at: datetime) -> bool:
        """Whether it lets these effects happen now: granted for them, not long ago, or in use."""
        if self.state is ApprovalState.GRANTED:
            fresh = self.decided_at is not None and at - self.decided_at < GRANT
        else:
            fresh = self.state is ApprovalState.USED
        return fresh and all(effect in self.effects for effect in effects)


def refuse(
    approval: Approval | None,
    state: State,
    answer: Answer,
    digest: str,
    person: Person,
    at: datetime,
) -> Refusal | None:
    """Why this answer does not count, or None. Pure; asked again in the transaction that writes it.

    A no counts until the first effect is begun, also against a yes that somebody else just gave.
    """
    if approval is None:
        return Refusal.NOT_ASKED
    if not person.may(Role.APPROVER):
        return Refusal.ROLE
    if not person.is_one_of(approval.approvers):
        return Refusal.NOT_AN_APPROVER
    if digest != approval.digest:
        return Refusal.CHANGED
    return _too_late(approval, state, answer, at)


def _too_late(approval: Approval, state: State, answer: Answer, at: datetime) -> Refusal | None:
    if approval.state is ApprovalState.GRANTED and answer is Answer.REJECT:
        return None if state is State.REMEDIATING else Refusal.NOT_ASKED
    if approval.state is ApprovalState.EXPIRED:
        return Refusal.EXPIRED
    if approval.state is ApprovalState.VOID:
        return Refusal.VOID
    if approval.state is not ApprovalState.PENDING:
        return Refusal.DECIDED
    if state is not State.AWAITING_APPROVAL:
        return Refusal.NOT_ASKED
    return Refusal.EXPIRED if at >= approval.expires_at else None
