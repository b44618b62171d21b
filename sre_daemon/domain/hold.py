"""A person is at work on an incident: as long as that is so, the daemon changes nothing for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

# An alert with this label takes its incident out of the daemon's hands; labels can only forbid.
LABEL = "hands_off"
OFF = frozenset({"", "false", "no", "0"})


@dataclass(frozen=True, slots=True)
class Hold:
    """Who is at work, since when, and how that is known."""

    incident_id: str
    who: str
    reason: str
    since: datetime


def labelled(labels: Mapping[str, str]) -> bool:
    """Whether the labels of an alert say that nobody but people may touch this."""
    return labels.get(LABEL, "").lower() not in OFF
