"""An incident: our unit of work, one problem from its first alert to its post-mortem."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.lifecycle import INCIDENT, Event, State, advance


@dataclass(frozen=True, slots=True)
class Incident:
    """The state of one incident, as stored.

    `key` is the correlation key: at most one open incident has it. `version` grows with every
    save; `fence` grows with every claim, and whoever holds an older fence can write nothing.
    `attempt` counts remediations begun. `wake_at` is when a waiting incident is due again.
    `policy` names the policy under which it is being remediated; `data` holds what a stage must
    find again after a crash (JSON values only).
    """

    id: str
    key: str
    title: str
    state: State
    severity: Severity
    labels: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    version: int = 0
    fence: int = 0
    attempt: int = 0
    wake_at: datetime | None = None
    policy: str = ""
    data: Mapping[str, object] = field(default_factory=dict)

    def moved(self, event: Event, at: datetime) -> "Incident":
        """A copy in the state that follows; raises InvalidTransition."""
        return replace(
            self, state=advance(INCIDENT, self.state, event), updated_at=at, wake_at=None
        )

    def waiting(self, until: datetime) -> "Incident":
        """A copy that is due at `until`."""
        return replace(self, wake_at=until)

    def noting(self, **values: object) -> "Incident":
        """A copy with these entries in `data`; None removes an entry."""
        merged = {**self.data, **values}
        return replace(self, data={k: v for k, v in merged.items() if v is not None})

    @property
    def recurrences(self) -> int:
        """How often it came back after it was resolved."""
        count = self.data.get("recurred")
        return count if isinstance(count, int) else 0

    @property
    def flapping(self) -> bool:
        """Whether it comes and goes too often for anything but a person."""
        return self.data.get("flapping") is True

    @property
    def doubtful(self) -> bool:
        """Whether nobody could tell if its alert really fires."""
        return self.data.get("doubtful") is True

    @property
    def aftermath(self) -> str:
        """The incident whose repair changed what its alerts are about, a moment before they fired."""
        after = self.data.get("aftermath")
        return after if isinstance(after, str) else ""

    @property
    def storm(self) -> bool:
        """Whether it stands for alerts that were too many to be told apart."""
        return self.data.get("storm") is True
