"""The pipeline at a glance: which stage has the word in which state."""

from collections.abc import Mapping
from dataclasses import dataclass

from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.pipeline.approve import Approve
from sre_daemon.pipeline.close import Close
from sre_daemon.pipeline.decide import Decide
from sre_daemon.pipeline.investigate import Investigate
from sre_daemon.pipeline.remediate import Remediate
from sre_daemon.pipeline.stage import Stage
from sre_daemon.pipeline.triage import Triage
from sre_daemon.pipeline.verify import Verify

# The event by which a state is left when a person must go on.
FAILING: Mapping[State, Event] = {
    State.INVESTIGATING: Event.GAVE_UP,
    State.DIAGNOSED: Event.DENIED,
    State.AWAITING_APPROVAL: Event.EXPIRED,
    State.REMEDIATING: Event.FAILED,
    State.VERIFYING: Event.FAILED,
}


@dataclass(frozen=True, slots=True)
class Stages:
    """One of each."""

    triage: Triage
    investigate: Investigate
    decide: Decide
    approve: Approve
    remediate: Remediate
    verify: Verify
    close: Close

    def table(self) -> Mapping[State, Stage]:
        """triggered -> investigating -> diagnosed [-> awaiting approval] -> remediating -> verifying ->
        resolved -> closed
        """
        return {
            State.TRIGGERED: self.triage,
            State.SUPPRESSED: self.triage,
            State.INVESTIGATING: self.investigate,
            State.DIAGNOSED: self.decide,
            State.AWAITING_APPROVAL: self.approve,
            State.REMEDIATING: self.remediate,
            State.VERIFYING: self.verify,
            State.RESOLVED: self.close,
        }
