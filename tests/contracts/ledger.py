"""What every ledger must do, as numbered behaviours; each gets one that is new and empty."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sre_daemon.agent.budget import BudgetRules, Granted, Limit, Rung, grant
from sre_daemon.domain.spending import Reservation, Scope, Used, Window
from tests.support.clock import START

RESERVATION = Reservation("r1", START, "PoolExhausted", "shop")
HOSTILE = "\ud800'; DROP TABLE spending; --"


def full(_spending):
    """Grants two dollars."""
    return Granted(Rung.FULL, 2.0)


class Seen:
    """Remembers what it was shown."""

    def __call__(self, spending):
        self.spending = spending
        return Granted(Rung.NONE, 0.0, "only looking")


async def look(ledger, reservation=RESERVATION):
    """What is spent, as a decision about `reservation` sees it."""
    seen = Seen()
    await ledger.reserve(replace(reservation, run_id="look"), seen)
    return seen.spending


async def l1_reservation_counts_until_it_is_settled(ledger):
    assert (await ledger.reserve(RESERVATION, full)).usd == 2.0
    assert (await ledger.spent(START))[Window.HOUR] == Used(2.0, 1)
    await ledger.settle("r1", 0.3)
    assert (await ledger.spent(START))[Window.DAY] == Used(0.3, 1)


async def l2_refusal_leaves_no_trace(ledger):
    await look(ledger)
    assert (await ledger.spent(START))[Window.MONTH] == Used()
    await ledger.settle("nobody", 5.0)
    assert (await ledger.spent(START))[Window.MONTH] == Used()


async def l3_windows_slide(ledger):
    await ledger.reserve(RESERVATION, full)
    later = START + timedelta(minutes=61)
    spent = await ledger.spent(later)
    assert (spent[Window.HOUR], spent[Window.DAY]) == (Used(), Used(2.0, 1))
    assert (await ledger.spent(START + timedelta(days=31)))[Window.MONTH] == Used()


async def l4_scopes_count_their_own(ledger):
    await ledger.reserve(RESERVATION, full)
    await ledger.reserve(Reservation("r2", START, "PoolExhausted", "other"), full)
    await ledger.reserve(Reservation("r3", START, "DiskFull", "shop"), full)
    await ledger.reserve(Reservation("r4", START, "", ""), full)
    spending = await look(ledger)
    assert spending[Scope.ALL, Window.DAY] == Used(8.0, 4)
    assert spending[Scope.ALERTNAME, Window.DAY] == Used(4.0, 2)
    assert spending[Scope.TEAM, Window.DAY] == Used(4.0, 2)
    # A question without an alert is nobody's: it shares no limit but the common one.
    nobody = await look(ledger, Reservation("look", START, "", ""))
    assert nobody[Scope.ALERTNAME, Window.DAY] == nobody[Scope.TEAM, Window.DAY] == Used()


async def l5_names_are_data(ledger):
    hostile = Reservation("r1", START, HOSTILE, "%")
    await ledger.reserve(hostile, full)
    assert (await look(ledger, hostile))[Scope.ALERTNAME, Window.DAY].runs == 1
    assert (await look(ledger))[Scope.ALERTNAME, Window.DAY].runs == 0


async def l6_many_at_once_never_spend_the_last_dollar_twice(ledger):
    rules = BudgetRules({Rung.FULL: 2.0}, {(Scope.ALL, Window.DAY): Limit(usd=10)}, 0.0, 1.0, 1.0)
    granted = await asyncio.gather(
        *(
            ledger.reserve(replace(RESERVATION, run_id=f"r{n}"), lambda s: grant(rules, s, False))
            for n in range(12)
        )
    )
    assert sum(item.usd for item in granted) == 10
    assert (await ledger.spent(START))[Window.DAY] == Used(10.0, 5)


BEHAVIOURS = [
    value for name, value in list(globals().items()) if name[:1] == "l" and name[1].isdigit()
]
