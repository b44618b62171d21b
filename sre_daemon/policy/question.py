"""What a verdict depends on, all of it: whoever asks gathers the facts, the decision only looks at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.verdict import Mark, Node, Reason
from sre_daemon.store.base import Acted

RUNBOOK_ENGINE = "runbook"


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a verdict depends on.

    `alerts`: the labels of the incident's firing alerts. `attempt`: repairs already begun for it.
    `diagnosis` is None when only effects are asked about (`policy explain`, the gate); `engine`
    made it. `acted`: what was begun lately. `opened`: when incidents were opened lately.

    `earned`: the level that policies have by their record, by name; one that is not in it has the
    level of the file. It is never more than the file lets it earn.

    `guards`: what each of `Rule.guard_queries` said just now; None where it said nothing. The
    gate evaluates them; a guard that is missing here is a no at the gate.

    `approved`: a person who may has agreed to exactly these effects, and nothing has changed since.
    It turns ask into allow, and lifts nothing else.
    """

    alerts: Sequence[Mapping[str, str]]
    effects: Sequence[Effect]
    at: datetime
    incident_id: str = ""
    diagnosis: Diagnosis | None = None
    engine: str = ""
    attempt: int = 0
    acted: Sequence[Acted] = ()
    opened: Sequence[datetime] = ()
    earned: Mapping[str, Autonomy] = field(default_factory=dict)
    guards: Mapping[str, bool | None] = field(default_factory=dict)
    approved: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and the reason if that is a no.

    `open`: it is only looked at later.
    """

    text: str
    against: Reason | None = None
    open: bool = False

    @property
    def node(self) -> Node:
        """As a line of the tree."""
        if self.against is not None:
            return Node(Mark.NO, self.text)
        return Node(Mark.NOTE if self.open else Mark.YES, self.text)
