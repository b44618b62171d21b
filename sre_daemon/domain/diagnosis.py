"""What an investigation concludes: a cause with evidence and proposed effects, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sre_daemon.domain.effect import Effect


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that supports the diagnosis, and where it can be looked up.

    `call` names a recorded tool call of the same run ("c3"); `quote` is text that must occur in
    that call's recorded output. `supported` is the daemon's own finding, never the agent's, and
    `problem` is why it is not.
    """

    claim: str
    call: str
    quote: str
    supported: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of an investigation. `conclusive` is False when the cause was not found.

    `confidence` is the investigator's own, from 0 to 1. `missing` says what would be needed to
    conclude. `proposed` are wishes: the policy decides. `unshown` is what the root cause says and no
    evidence shows: like `supported` the daemon's own finding.
    """

    conclusive: bool
    root_cause: str
    confidence: float
    evidence: Sequence[Evidence] = ()
    contributing_factors: Sequence[str] = ()
    affected_services: Sequence[str] = ()
    ruled_out: Sequence[str] = ()
    missing: Sequence[str] = ()
    proposed: Sequence[Effect] = field(default_factory=tuple)
    unshown: Sequence[str] = ()

    @property
    def supported(self) -> bool:
        """Whether there is evidence, the record bears out every piece of it, and nothing more is said."""
        return (
            bool(self.evidence)
            and all(item.supported for item in self.evidence)
            and not self.unshown
        )
