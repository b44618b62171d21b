"""Being watched: what a scrape of the daemon takes, however much there is to count."""

import http.client
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from prometheus_client.openmetrics.parser import text_string_to_metric_families as families

from bench.area import Effort, Finding, Goal, table
from bench.history import fill, fill_postgres
from bench.processes import Measured, daemon
from stack import postgres
from tests.support.postgres import Server

MANY = 100_000
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
GOAL_MS = 20.0
# Often enough that some scrapes come while the incidents are counted, which is every two seconds.
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0


@dataclass
class Watched:
    """A daemon, a connection to it that is kept as Prometheus keeps it, and what scrapes took."""

    server: Measured
    connection: http.client.HTTPConnection
    milliseconds: list[float] = field(default_factory=list)

    def scrape(self) -> bytes:
        """The page as Prometheus asks for it."""
        began = time.perf_counter()
        self.connection.request("GET", "/metrics", headers={"Accept": ACCEPT})
        page = self.connection.getresponse().read()
        self.milliseconds.append(1000 * (time.perf_counter() - began))
        return page

    def share(self, part: float) -> float:
        """The time that so large a part of the scrapes stay below."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def scrape(effort: Effort) -> Finding:
    """A scrape with 100,000 incidents in the store, beside an empty store"""
    with ExitStack() as stack:
        watched, size = {}, 0
        for store, number, made in _servers(effort, stack):
            server = stack.enter_context(made)
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            stack.callback(connection.close)
            watched[store, number] = Watched(server, connection)
        for (_, number), one in watched.items():
            size = _until_counted(one, number)
        until = time.monotonic() + effort.seconds * effort.repetitions * len(watched)
        while time.monotonic() < until:
            for one in watched.values():
                one.scrape()
            time.sleep(PAUSE_SECONDS)
    rows = [
        [store, f"{number:,}", *(f"{one.share(part):.3g}" for part in (0.5, 0.99, 1.0))]
        for (store, number), one in watched.items()
    ]
    goals = []
    for (store, number), one in watched.items():
        if number:
            factor = one.share(0.5) / watched[store, 0].share(0.5)
            where = f"{store}, {number:,} incidents"
            half = f"{one.share(0.5):.3g} ms"
            goals += [
                Goal(f"{where}: below {GOAL_MS:g} ms", half, one.share(0.5) < GOAL_MS),
                Goal(f"{where}: as with an empty store", f"{factor:.2f} times", factor < 1.2),
            ]
    scrapes = len(next(iter(watched.values())).milliseconds)
    text = (
        f"From the request to the last byte of the answer, {scrapes} times each in turn, in the "
        f"format that Prometheus asks for; a page has {size / 1000:.0f} kB.\n"
        "A scrape never asks the store: the daemon counts every two seconds, by an index, and a "
        "scrape shows what was counted last.\nThe slowest waited for a processor.\n\n"
    )
    return Finding(
        text + table(["store", "incidents", "p50 ms", "p99 ms", "slowest ms"], rows), goals
    )


def _servers(
    effort: Effort, stack: ExitStack
) -> Iterator[tuple[str, int, AbstractContextManager[Measured]]]:
    """Daemons by store and number of incidents; not started yet."""
    database = Server()
    stack.callback(database.stop)
    for number in (0, MANY):
        folder = effort.folder / f"sqlite-{number}"
        fill(folder / "data", incidents=number, alerts=number, is_open=True)
        yield "SQLite", number, daemon(folder)
        url = database.database()
        fill_postgres(url, postgres.PASSWORD, incidents=number, is_open=True)
        folder = effort.folder / f"postgresql-{number}"
        yield (
            "PostgreSQL",
            number,
            daemon(folder, store=url, SRE_DAEMON_STORE_PASSWORD=postgres.PASSWORD),
        )


def _until_counted(one: Watched, number: int) -> int:
    """Wait until the page says how many there are; its size. Forgets what it took."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        page = one.scrape()
        shown = {
            family.name: sum(sample.value for sample in family.samples)
            for family in families(page.decode())  # type: ignore[no-untyped-call] # the library has no types for it
        }
        if shown["sre_daemon_accepted"] == number == shown["sre_daemon_incidents"]:
            one.milliseconds.clear()
            return len(page)
        time.sleep(0.1)
    raise RuntimeError(f"it does not count {number} incidents")


PARTS = {"scrape": scrape}
