"""The policy's answer, and the closed list of reasons that log, timeline, metric and screen share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Decision(StrEnum):
    """What may happen. `ask`: only when a person agrees. `shadow`: nothing; it is said what would have."""

    ALLOW = "allow"
    ASK = "ask"
    SHADOW = "shadow"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """How much it lets happen: deny 0, shadow 1, ask 2, allow 3."""
        return RANKS.index(self)


RANKS = (Decision.DENY, Decision.SHADOW, Decision.ASK, Decision.ALLOW)


class Reason(StrEnum):
    """Why. One word everywhere; `REASONS` has the sentence for each."""

    ALLOWED = "allowed"
    NO_POLICY = "no_policy"
    NO_EFFECTS = "no_effects"
    EFFECT_NOT_ALLOWED = "effect_not_allowed"
    VALUE_OUT_OF_BOUNDS = "value_out_of_bounds"
    MODE_CEILING = "mode_ceiling"
    AUTONOMY = "autonomy"
    DEMOTED = "demoted"
    OUTSIDE_WINDOW = "outside_window"
    NOT_DETERMINISTIC = "not_deterministic"
    INCONCLUSIVE = "inconclusive"
    LOW_CONFIDENCE = "low_confidence"
    UNSUPPORTED_EVIDENCE = "unsupported_evidence"
    ATTEMPTS_SPENT = "attempts_spent"
    RATE_LIMITED = "rate_limited"
    COOLING_DOWN = "cooling_down"
    CONCURRENCY = "concurrency"
    BLAST_RADIUS = "blast_radius"
    TARGET_COOLING = "target_cooling"
    CHANGES_SPENT = "changes_spent"
    STORM_COOLDOWN = "storm_cooldown"
    GUARD_FAILED = "guard_failed"
    GUARDRAIL = "guardrail"
    PAUSED = "paused"
    FENCED = "fenced"
    WRONG_STATE = "wrong_state"
    NOT_APPROVED = "not_approved"
    ALERT_NOT_FIRING = "alert_not_firing"
    SILENCED = "silenced"
    TARGET_CHANGED = "target_changed"
    NO_DATA = "no_data"
    DEADLINE = "deadline"
    HANDS_OFF = "hands_off"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a reason, not a secret
    # why an incident moved on, where no verdict was involved
    CLAIMED = "claimed"
    SUPPRESSED = "suppressed"
    DIAGNOSED = "diagnosed"
    AGENT_FAILED = "agent_failed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPLIED = "applied"
    EFFECT_REFUSED = "effect_refused"
    EFFECT_FAILED = "effect_failed"
    PROVEN = "proven"
    NOT_PROVEN = "not_proven"
    CLEARED = "cleared"
    RECONCILED = "reconciled"
    RECURRED = "recurred"
    WRITTEN = "written"
    STANDING = "standing"
    FLAPPING = "flapping"
    DOUBTFUL = "doubtful"
    AFTERMATH = "aftermath"
    STORM = "storm"
    QUIET = "quiet"
    TAKEN_OVER = "taken_over"
    HANDED_BACK = "handed_back"
    INTERNAL_ERROR = "internal_error"


REASONS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.ALLOWED: "The policy allows every effect.",
        Reason.NO_POLICY: "No policy matches this alert, so nothing may be changed.",
        Reason.NO_EFFECTS: "The diagnosis proposes no effect.",
        Reason.EFFECT_NOT_ALLOWED: "The policy for this alert does not list this effect.",
        Reason.VALUE_OUT_OF_BOUNDS: "The effect is listed, but the value is outside its bounds.",
        Reason.MODE_CEILING: "The mode of the policy file does not let the daemon act alone.",
        Reason.AUTONOMY: "The policy does not let the daemon act alone.",
        Reason.DEMOTED: "The record of this policy does not let the daemon act alone now.",
        Reason.OUTSIDE_WINDOW: "It is none of the times at which the daemon may act alone.",
        Reason.NOT_DETERMINISTIC: "The policy wants the runbook engine, and a model diagnosed this.",
        Reason.INCONCLUSIVE: "The investigation found no cause.",
        Reason.LOW_CONFIDENCE: "The confidence is below what the policy requires.",
        Reason.UNSUPPORTED_EVIDENCE: "Evidence is missing or not found in the recorded tool output.",
        Reason.ATTEMPTS_SPENT: "The attempts for this incident are used up.",
        Reason.RATE_LIMITED: "The policy has acted as often as it may in an hour.",
        Reason.COOLING_DOWN: "The policy acted too recently.",
        Reason.CONCURRENCY: "Another incident is acting under this policy, or on this target.",
        Reason.BLAST_RADIUS: "Too much is being changed at once: on the service, the host or in the fleet.",
        Reason.TARGET_COOLING: "The target was changed too recently.",
        Reason.CHANGES_SPENT: "All policies together have acted as often as they may in an hour.",
        Reason.STORM_COOLDOWN: "So many incidents were opened at once that acting alone rests.",
        Reason.GUARD_FAILED: "A guard of the policy does not hold now.",
        Reason.GUARDRAIL: "The guardrails forbid this value, whatever the policy says.",
        Reason.PAUSED: "The daemon is paused.",
        Reason.FENCED: "Another worker owns the incident now.",
        Reason.WRONG_STATE: "The incident is not in a state in which effects may be applied.",
        Reason.NOT_APPROVED: "This is not one of the effects that were decided, in their order.",
        Reason.ALERT_NOT_FIRING: "The alert is not firing any more.",
        Reason.SILENCED: "The alert is silenced or inhibited.",
        Reason.TARGET_CHANGED: "The target is not as it was at the diagnosis.",
        Reason.NO_DATA: "What must be known for this could not be read.",
        Reason.DEADLINE: "The time for this remediation is over.",
        Reason.HANDS_OFF: "A person is at work on this incident.",
        Reason.UNKNOWN_TOKEN: "The token belongs to no running remediation.",
        Reason.CLAIMED: "A worker took the incident.",
        Reason.SUPPRESSED: "The alert is silenced or inhibited, so the incident waits.",
        Reason.DIAGNOSED: "The investigation found a cause.",
        Reason.AGENT_FAILED: "The investigation could not be carried out.",
        Reason.APPROVED: "A person agreed.",
        Reason.REJECTED: "A person said no.",
        Reason.EXPIRED: "Nobody answered in time.",
        Reason.APPLIED: "Every effect was applied.",
        Reason.EFFECT_REFUSED: "The gate or the tool server refused an effect.",
        Reason.EFFECT_FAILED: "An effect failed, or its outcome is not what was intended.",
        Reason.PROVEN: "The alert and the policy's queries proved the repair.",
        Reason.NOT_PROVEN: "The repair was not proven in time.",
        Reason.CLEARED: "The alert stopped by itself.",
        Reason.RECONCILED: "No Alertmanager has any of its alerts any more.",
        Reason.RECURRED: "The alert fired again.",
        Reason.WRITTEN: "The post-mortem is written.",
        Reason.STANDING: "The alert came back; the answer of the first investigation stands.",
        Reason.FLAPPING: "The alert comes and goes; another repair would not be worth more.",
        Reason.DOUBTFUL: "Nobody can tell whether the alert fires or is a late copy of one that is over.",
        Reason.AFTERMATH: "The alert began right after a repair changed what it is about.",
        Reason.STORM: "Too many alerts at once to look at each of them.",
        Reason.QUIET: "None of its alerts fires any more.",
        Reason.TAKEN_OVER: "A person took the incident over.",
        Reason.HANDED_BACK: "A person gave the incident back to the daemon.",
        Reason.INTERNAL_ERROR: "The daemon failed in a way nobody foresaw.",
    }
)


class Mark(StrEnum):
    """What a line of the tree says: for it, against it, or neither."""

    YES = "yes"
    NO = "no"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the tree that explains a verdict, and what it is made of."""

    mark: Mark
    text: str
    nodes: Sequence["Node"] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer with the policy that gave it, the reason, and a sentence for a person.

    `deny`: no. `shadow`: nothing happens, but nothing stood against it; the message says what would
    have been done. `ask`: only when a person agrees. `allow`: now. `tree` is what `policy explain`
    prints: what was looked at, in order.
    """

    decision: Decision
    reason: Reason
    message: str
    policy: str = ""
    tree: Sequence[Node] = ()

    @property
    def allowed(self) -> bool:
        """Whether the effects may be applied now, without asking anyone."""
        return self.decision is Decision.ALLOW

    @property
    def trail(self) -> Sequence[str]:
        """The tree as lines of text."""
        return tuple(_lines(self.tree, ""))


def _lines(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    for node in nodes:
        yield indent + node.text
        yield from _lines(node.nodes, indent + "  ")
