"""What model runs cost, by scope and window: the values that budgets are decided from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType


class Scope(StrEnum):
    """Whose money it is."""

    ALL = "all"
    ALERTNAME = "alertname"
    TEAM = "team"


class Window(StrEnum):
    """Sliding, so that nothing is saved up for midnight."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


SPANS: Mapping[Window, timedelta] = MappingProxyType(
    {
        Window.HOUR: timedelta(hours=1),
        Window.DAY: timedelta(days=1),
        Window.MONTH: timedelta(days=30),
    }
)


@dataclass(frozen=True, slots=True)
class Used:
    """Dollars spent or reserved, and runs begun."""

    usd: float = 0.0
    runs: int = 0


Spending = Mapping[tuple[Scope, Window], Used]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for a run before it starts; what was really spent takes its place later."""

    run_id: str
    at: datetime
    alertname: str
    team: str
    usd: float = 0.0
