"""The alerts as Alertmanagers have them now, whatever their notifications said."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sre_daemon.domain.alert import Alert


@dataclass(frozen=True, slots=True)
class LevelAlert:
    """One alert; `suppressed` means silenced or inhibited, `receivers` is where it is routed to."""

    alert: Alert
    suppressed: bool
    receivers: Collection[str]


@dataclass(frozen=True, slots=True)
class Level:
    """What all Alertmanagers of a tenant's cluster have, by identity; not `complete` when one of
    them did not answer."""

    tenant: str
    alerts: Mapping[str, LevelAlert]
    complete: bool
