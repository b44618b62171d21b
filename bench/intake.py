"""Intake: what durability, correlation and storage cost beside a receiver that does none of it."""

import time
from dataclasses import dataclass
from itertools import count

from bench import client
from bench.area import Effort, Finding, Goal, median, spread, table
from bench.history import fill
from bench.processes import TOKEN, Measured, daemon, receiver

CONNECTIONS = (1, 16, 64)
ALERTS = (1, 10, 100)
# Every notification of a run is another group of other alerts.
FIRSTS = count(0, 10_000_000)
GOALS = {(64, 1): 0.6, (64, 10): 0.45, (64, 100): 0.45, (16, 1): 0.4, (16, 10): 0.4, (16, 100): 0.4}


@dataclass(frozen=True)
class Slice:
    """One server under one load: notifications per second, milliseconds of processor for each."""

    load: client.Load
    cpu: float


def loaded(server: Measured, connections: int, alerts: int, seconds: float) -> Slice:
    """Keep it busy for so long."""
    before = server.cpu()
    plan = client.Plan(server.port, connections, alerts, seconds, next(FIRSTS), TOKEN)
    load = client.run(plan)
    if set(load.answers) != {"200"}:
        raise RuntimeError(f"not everything was stored: {load.answers}")
    return Slice(load, 1000 * (server.cpu() - before) / load.stored)


def speed(effort: Effort) -> Finding:
    """Durable intake beside a bare receiver and a commit per request"""
    rows, goals = [], []
    for connections in CONNECTIONS:
        for alerts in ALERTS:
            row, found = _cell(effort, connections, alerts)
            rows.append(row)
            goals += found
    head = ["connections", "alerts", "rate / bare", "rate / commit", "CPU / bare"]
    head += ["p50, p99 ms", "per second: bare, commit, daemon", "client busy"]
    text = (
        "`bare` is an aiohttp handler that validates with a pydantic model of the notification and "
        "answers.\n`commit` also stores the bytes, one durable commit for each request.\n"
        "The daemon authenticates, parses, correlates and stores the bytes, the alerts, the incident "
        "and its timeline before it answers.\n"
        "Every notification is another group of other alerts.\n\n" + table(head, rows)
    )
    return Finding(text, goals)


def _cell(effort: Effort, connections: int, alerts: int) -> tuple[list[str], list[Goal]]:
    folder = effort.folder / f"{connections}-{alerts}"
    with (
        receiver("bare", folder / "bare") as bare,
        receiver("commit", folder / "commit") as commit,
        daemon(folder / "daemon") as ours,
    ):
        servers = (bare, commit, ours)
        for server in servers:
            loaded(server, connections, alerts, 0.5)
        turns = [
            [loaded(server, connections, alerts, effort.seconds) for server in servers]
            for _ in range(effort.repetitions)
        ]
    to_bare = [us.load.rate / bare.load.rate for bare, _, us in turns]
    to_commit = [us.load.rate / commit.load.rate for _, commit, us in turns]
    cpu = [us.cpu / bare.cpu for bare, _, us in turns]
    p50, p99 = (median([us.load.percentile(p) for *_, us in turns]) for p in (0.5, 0.99))
    rates = [median([turn[n].load.rate for turn in turns]) for n in range(3)]
    row = [
        *(str(connections), str(alerts), spread(to_bare), spread(to_commit), spread(cpu)),
        f"{p50:.3g}, {p99:.3g}",
        ", ".join(f"{rate:.0f}" for rate in rates),
        f"{max(item.load.busy for turn in turns for item in turn):.2f}",
    ]
    return row, _goals(connections, alerts, to_bare, to_commit, cpu)


def _goals(
    connections: int, alerts: int, to_bare: list[float], to_commit: list[float], cpu: list[float]
) -> list[Goal]:
    wanted = GOALS.get((connections, alerts))
    if wanted is None:
        return []
    where = f"{connections} connections, {alerts} alerts"
    return [
        Goal(f"{where}: at least {wanted} of bare", spread(to_bare), median(to_bare) >= wanted),
        Goal(f"{where}: at least 2.5 of commit", spread(to_commit), median(to_commit) >= 2.5),
        Goal(f"{where}: at most 2 times bare's CPU", spread(cpu), median(cpu) <= 2),
    ]


def growth(effort: Effort) -> Finding:
    """The cost of a notification after 1,000 and after 1,000,000 stored alerts"""
    few, many = effort.folder / "few", effort.folder / "many"
    fill(few / "data", incidents=100, alerts=1_000, is_open=False)
    fill(many / "data", incidents=100_000, alerts=1_000_000, is_open=False)
    with daemon(few) as young, daemon(many) as old:
        for server in (young, old):
            loaded(server, 64, 1, 0.5)
        turns = [
            [loaded(server, 64, 1, effort.seconds) for server in (young, old)]
            for _ in range(effort.repetitions)
        ]
    ratio = [after.cpu / before.cpu for before, after in turns]
    head = ["stored alerts", "CPU ms per notification", "notifications per second"]
    rows = [
        [
            name,
            spread([turn[n].cpu for turn in turns]),
            spread([turn[n].load.rate for turn in turns]),
        ]
        for n, name in enumerate(("1,000", "1,000,000"))
    ]
    goal = Goal("the same within 20 %", spread(ratio), 0.8 <= median(ratio) <= 1.2)
    return Finding(table(head, rows), [goal])


def memory(effort: Effort) -> Finding:
    """Memory of the daemon, idle and in a storm of 10,000 alerts"""
    with daemon(effort.folder / "daemon") as server:
        time.sleep(3)
        idle = server.resident()
        plan = client.Plan(server.port, 64, 5, 60, next(FIRSTS), TOKEN, most=2_000)
        storm = client.run(plan)
        time.sleep(5)
        peak = server.peak()
    text = (
        f"Idle {idle:.0f} MiB; at most {peak:.0f} MiB in a storm of 10,000 alerts in 2,000 groups, "
        f"which took {storm.seconds:.1f} s over 64 connections; answers: {storm.answers}."
    )
    goals = [
        Goal("idle below 150 MB", f"{idle:.0f} MiB", idle * 1.049 < 150),
        Goal("in the storm below 400 MB", f"{peak:.0f} MiB", peak * 1.049 < 400),
    ]
    return Finding(text, goals)


def restart(effort: Effort) -> Finding:
    """Restart with 100,000 open incidents"""
    fill(effort.folder / "data", incidents=100_000, alerts=100_000, is_open=True)
    took = []
    for _ in range(effort.repetitions):
        started = time.perf_counter()
        with daemon(effort.folder) as server:
            loaded(server, 1, 1, 0.01)
            took.append(time.perf_counter() - started)
    goal = Goal("ready in 5 s", spread(took, " s"), median(took) <= 5)
    return Finding("From the start of the process to the first notification stored.", [goal])


PARTS = {
    "speed": speed,
    "growth": growth,
    "memory": memory,
    "restart": restart,
}
