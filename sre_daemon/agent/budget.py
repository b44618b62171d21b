"""How much of the model an alert may have now: a ladder that ends with no model, never with silence.

Pure: rules and what was spent in, a rung out. The money is reserved in the transaction that reads
what was spent (store/ledger.py), so that replicas cannot spend it twice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sre_daemon.domain.spending import Reservation, Scope, Spending, Used, Window


class Rung(StrEnum):
    """From the top: the model, the smaller one, a look at the facts only, the engine without a model."""

    FULL = "full"
    SMALL = "small"
    TRIAGE = "triage"
    NONE = "none"


RUNGS = (Rung.FULL, Rung.SMALL, Rung.TRIAGE, Rung.NONE)


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one window; None is no limit."""

    usd: float | None = None
    runs: int | None = None


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """What the operator allows. `costs` is what a run on each rung may cost at most.

    `reserve` is the share of every limit that only critical alerts may use. From the shares
    `small_from` and `triage_from` of what is left for the others on, a lower rung is taken.
    """

    costs: Mapping[Rung, float]
    limits: Mapping[tuple[Scope, Window], Limit] = field(default_factory=dict)
    reserve: float = 0.2
    small_from: float = 0.8
    triage_from: float = 0.95


@dataclass(frozen=True, slots=True)
class Granted:
    """The rung, what is reserved for it, and why it is not a higher one."""

    rung: Rung
    usd: float
    why: str = ""


Decide = Callable[[Spending], Granted]


class Purse(Protocol):
    """Keeps what was spent, for the whole fleet."""

    async def reserve(self, reservation: Reservation, decide: Decide) -> Granted:
        """Read what was spent, decide, and set aside what was granted, in one transaction."""
        ...

    async def settle(self, run_id: str, usd: float) -> None:
        """Put what was really spent in the place of what was set aside."""
        ...

    async def spent(self, now: datetime) -> Mapping[Window, Used]:
        """Of all alerts together."""
        ...


def grant(rules: BudgetRules, spending: Spending, critical: bool) -> Granted:
    """The highest rung that every limit allows."""
    rung, why = Rung.FULL, ""
    for limit in _shares(rules, spending, critical):
        allowed = next(item for item in RUNGS if limit.allows(rules, item))
        if RUNGS.index(allowed) > RUNGS.index(rung):
            rung, why = allowed, limit.name
    return Granted(rung, 0.0 if rung is Rung.NONE else rules.costs.get(rung, 0.0), why)


def remaining(rules: BudgetRules, used: Mapping[Window, Used]) -> dict[Window, float]:
    """Dollars left in each window for all alerts; infinite where there is no limit."""
    left = {}
    for window in Window:
        limit = rules.limits.get((Scope.ALL, window), Limit())
        spent = used.get(window, Used()).usd
        left[window] = float("inf") if limit.usd is None else max(0.0, limit.usd - spent)
    return left


@dataclass(frozen=True, slots=True)
class _Share:
    """One number that is limited: what is used of what there is."""

    name: str
    used: float
    capacity: float
    money: bool

    def allows(self, rules: BudgetRules, rung: Rung) -> bool:
        if rung is Rung.NONE:
            return True
        cost = rules.costs.get(rung)
        if cost is None:
            return False  # there is no smaller model
        if self.used + (cost if self.money else 1) > self.capacity:
            return False
        share = self.used / self.capacity
        return share < {Rung.FULL: rules.small_from, Rung.SMALL: rules.triage_from}.get(rung, 1.0)


def _shares(rules: BudgetRules, spending: Spending, critical: bool) -> Iterator[_Share]:
    kept = 0.0 if critical else rules.reserve
    for (scope, window), limit in rules.limits.items():
        used = spending.get((scope, window), Used())
        whose = "" if scope is Scope.ALL else f" of this {scope}"
        if limit.usd is not None:
            name = f"{used.usd:.2f} of {limit.usd:g} dollars{whose} in a {window} are used"
            yield _Share(name, used.usd, limit.usd * (1 - kept), money=True)
        if limit.runs is not None:
            name = f"{used.runs} of {limit.runs} runs{whose} in a {window} are used"
            # Rounded in favour of the alert: a single allowed run must be possible.
            capacity = max(1.0, limit.runs * (1 - kept)) if limit.runs else 0.0
            yield _Share(name, float(used.runs), capacity, money=False)
