"""What model runs cost: set aside before they start, put right when they are over.

A reservation whose run never ended counts as spent: a crash must not be a way to spend more.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection, func, insert, select, update

from sre_daemon.domain.spending import SPANS, Reservation, Scope, Used, Window
from sre_daemon.store import rows
from sre_daemon.store.database import Database
from sre_daemon.store.tables import spending


class Priced(Protocol):
    """What a decision grants; at 0 dollars no run begins."""

    @property
    def usd(self) -> float:
        """To be set aside."""
        ...


G = TypeVar("G", bound=Priced)


class Ledger:
    """Over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self,
        reservation: Reservation,
        decide: Callable[[Mapping[tuple[Scope, Window], Used]], G],
    ) -> G:
        """Read what was spent, decide, and set aside what was granted, in one transaction.

        Raises:
            StoreUnavailable: nothing was set aside.
        """

        def work(connection: Connection) -> G:
            # Two replicas must not both see the same last dollar.
            self._database.in_turn(connection)
            granted = decide(_spent(connection, reservation))
            if granted.usd > 0:
                values = {
                    "run_id": reservation.run_id,
                    "at": rows.number(reservation.at),
                    "alertname": rows.clean(reservation.alertname),
                    "team": rows.clean(reservation.team),
                    "usd": granted.usd,
                    "settled": False,
                }
                connection.execute(insert(spending).values(**values))
            return granted

        return await self._database.write(work)

    async def settle(self, run_id: str, usd: float) -> None:
        """Put what was really spent in the place of what was set aside; raises StoreUnavailable."""
        mine = update(spending).where(spending.c.run_id == run_id)

        def work(connection: Connection) -> None:
            connection.execute(mine.values(usd=usd, settled=True))

        await self._database.write(work)

    async def spent(self, now: datetime) -> Mapping[Window, Used]:
        """Of all alerts together; raises StoreUnavailable."""
        everybody = Reservation("", now, "", "")
        found = await self._database.read(lambda c: _spent(c, everybody))
        return {window: found[Scope.ALL, window] for window in Window}


def _spent(connection: Connection, of: Reservation) -> dict[tuple[Scope, Window], Used]:
    s = spending.c
    whose = {
        Scope.ALL: None,
        Scope.ALERTNAME: (s.alertname, rows.clean(of.alertname)),
        Scope.TEAM: (s.team, rows.clean(of.team)),
    }
    found: dict[tuple[Scope, Window], Used] = {}
    for scope, condition in whose.items():
        for window, span in SPANS.items():
            if condition is not None and not condition[1]:
                found[scope, window] = Used()
                continue
            wanted = select(func.coalesce(func.sum(s.usd), 0.0), func.count()).where(
                s.at > rows.number(of.at - span)
            )
            if condition is not None:
                wanted = wanted.where(condition[0] == condition[1])
            usd, runs = connection.execute(wanted).one()
            found[scope, window] = Used(float(usd), int(runs))
    return found
