"""An hour of a mid-size company, compressed: real servers, the real command line of the agent, a
scripted model that fails for a while. Looks for leaks, for growing latency, and for broken sums.
"""

import asyncio
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families as families

from bench import company
from bench.area import Effort, Finding, Goal, table
from bench.processes import Measured, daemon
from tests.support.messages_api import Answer, MessagesApi, Status, serve, use
from tests.support.ports import free_port

KEY = "sk-ant-scripted-key"
OUTAGE = 0.5, 0.65
SETTLE_SECONDS = 90.0
CONCLUSION = {
    "conclusive": False,
    "root_cause": "",
    "confidence": 0.2,
    "evidence": [],
    "contributing_factors": [],
    "affected_services": [],
    "ruled_out": ["a scripted model knows nothing"],
    "missing": ["access to the hosts"],
    "proposed": [],
}
# Short times for what takes minutes and hours in an hour that lasts longer.
SETTINGS = """\
alertmanagers: [{managers}]
agent: {{engine: claude, deadline: 60s}}
correlation: {{debounce: 500ms, linger: 2s, storm: 40, flap_window: 20s}}
reconcile: {{interval: 5s}}
"""
MIB_MORE = 40
MIB_PER_MINUTE = 8
LONG_SECONDS = 300


@dataclass
class Look:
    """One scrape of the daemon."""

    at: float
    resident: float
    numbers: Mapping[tuple[str, ...], float] = field(repr=False)

    def total(self, name: str, **labels: str) -> float:
        """The sum over every sample of this name with these labels."""
        wanted = {f"{k}={v}" for k, v in labels.items()}
        return sum(
            value
            for (sample, *pairs), value in self.numbers.items()
            if sample == name and wanted <= set(pairs)
        )


class Model:
    """Looks at the alerts, then gives up; out of order for a while."""

    def __init__(self) -> None:
        self.down = False

    def __call__(self, body: Mapping[str, object]) -> Answer:
        """See MessagesApi."""
        if self.down:
            return Status(529, "overloaded_error")
        messages = body["messages"]
        asked = isinstance(messages, list) and len(messages) > 1
        if asked:
            return [use("StructuredOutput", **CONCLUSION)]
        return [use("mcp__sre__get_alerts")]


def company_hour(effort: Effort) -> Finding:
    """An hour of a mid-size company"""
    return asyncio.run(run(effort, seconds=300, faults=150, storm=2000))


PARTS = {"company": company_hour}


async def run(effort: Effort, seconds: float, faults: int, storm: int) -> Finding:
    """The whole of it; `seconds` stand for an hour."""
    model = Model()
    async with company.exporter() as shown, serve(model) as api:
        # The daemon's address must be known to Alertmanager before either runs.
        port = free_port()
        with (
            company.monitoring(
                effort.folder, shown.port, f"http://127.0.0.1:{port}/webhook/alertmanager"
            ) as monitoring,
            daemon(
                effort.folder / "daemon",
                port=port,
                prometheus=monitoring.prometheus,
                more=_settings(monitoring),
                ANTHROPIC_API_KEY=KEY,
                ANTHROPIC_BASE_URL=api.url,
            ) as server,
        ):
            looks = await _hour(server, shown, model, seconds, faults, storm)
            sent = await _sent(monitoring)
    return _finding(looks, sent, api, seconds)


async def _hour(
    server: Measured,
    shown: company.Exporter,
    model: Model,
    seconds: float,
    faults: int,
    storm: int,
) -> list[Look]:
    """Looks at the daemon once a second until it has settled everything."""
    clock = asyncio.get_running_loop()
    started = clock.time()
    looks: list[Look] = []
    playing = asyncio.ensure_future(shown.play(company.hour(seconds, faults, storm)))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as http:
        while True:
            passed = clock.time() - started
            model.down = OUTAGE[0] * seconds < passed < OUTAGE[1] * seconds
            looks.append(Look(passed, server.resident(), await _scrape(http)))
            if playing.done() and (_open(looks[-1]) == 0 or passed > seconds + SETTLE_SECONDS):
                await playing
                return looks
            await asyncio.sleep(1)


async def _scrape(http: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    text = (await http.get("/metrics")).text
    return {
        (sample.name, *(f"{k}={v}" for k, v in sample.labels.items())): sample.value
        for family in families(text)
        for sample in family.samples
    }


async def _sent(monitoring: company.Monitoring) -> dict[str, float]:
    """What both Alertmanagers say that they notified, and failed to."""
    sums = dict.fromkeys(("notifications", "notification_requests_failed"), 0.0)
    async with httpx.AsyncClient(timeout=10) as http:
        for address in monitoring.alertmanagers:
            for family in families((await http.get(f"{address}/metrics")).text):
                for sample in family.samples:
                    name = sample.name.removeprefix("alertmanager_").removesuffix("_total")
                    if name in sums and sample.labels.get("integration") == "webhook":
                        sums[name] += sample.value
    return sums


def _open(look: Look) -> float:
    return look.total("sre_daemon_accepted_total") - look.total("sre_daemon_settled_total")


def _settings(monitoring: company.Monitoring) -> str:
    return SETTINGS.format(managers=", ".join(f"'{url}'" for url in monitoring.alertmanagers))


def _finding(
    looks: list[Look], sent: Mapping[str, float], api: MessagesApi, seconds: float
) -> Finding:
    last = looks[-1]
    accepted = last.total("sre_daemon_accepted_total")
    stored = last.total("sre_daemon_notifications_total", outcome="stored")
    runs = last.total("sre_daemon_agent_runs_total")
    returned = last.total("sre_daemon_incident_transitions_total", reason="recurred")
    slope = _slope(looks, seconds)
    early, late = (_mean_latency(looks, part) for part in ((0.0, 1 / 3), (2 / 3, 1.0)))
    before, after = (_resident(looks, part, seconds) for part in ((0.5, 0.75), (0.75, 1.1)))
    goals = [
        Goal("every incident reached its end", f"{_open(last):.0f} open", _open(last) == 0),
        Goal(
            "every notification that Alertmanager counts is stored",
            f"{sent['notifications']:.0f} sent, {stored:.0f} stored",
            stored >= sent["notifications"] > 0,
        ),
        Goal(
            "no request failed",
            f"{sent['notification_requests_failed']:.0f}",
            sent["notification_requests_failed"] == 0,
        ),
        Goal(
            "no incident is investigated twice, unless it came back",
            f"{runs:.0f} runs of {accepted:.0f} incidents, {returned:.0f} came back",
            runs <= accepted + returned,
        ),
        Goal(
            "sums agreed at every look",
            f"{len(looks)} looks",
            all(_sums_agree(look) for look in looks),
        ),
        Goal(
            f"memory of the second half grows by less than {MIB_MORE} MiB",
            f"{before:.0f} MiB, then {after:.0f} MiB",
            after - before < MIB_MORE,
        ),
        Goal(
            "storing does not get slower (twice the first third, or 20 ms)",
            f"{early * 1000:.1f} ms, then {late * 1000:.1f} ms",
            late < max(2 * early, 0.02),
        ),
    ]
    if seconds >= LONG_SECONDS:  # a line through less says nothing
        goals.append(
            Goal(
                f"memory of the second half grows by less than {MIB_PER_MINUTE} MiB a minute",
                f"{slope:+.1f} MiB",
                slope < MIB_PER_MINUTE,
            )
        )
    rows = [
        ["hour, compressed to", f"{seconds:.0f} s, settled after {last.at:.0f} s"],
        ["notifications stored", f"{stored:.0f}"],
        ["alerts opened or joined", f"{_alerts(last):.0f}"],
        ["incidents", f"{accepted:.0f}"],
        ["investigations", f"{runs:.0f}"],
        ["requests to the model", str(len(api.requests))],
        ["failures of the model", f"{last.total('sre_daemon_model_errors_total'):.0f}"],
        ["growth of memory in the second half", f"{slope:+.2f} MiB a minute"],
        ["resident at the end", f"{last.resident:.0f} MiB"],
    ]
    return Finding(table(["what", "measured"], rows), goals)


def _alerts(look: Look) -> float:
    return sum(
        look.total("sre_daemon_alerts_total", action=action) for action in ("opened", "joined")
    )


def _sums_agree(look: Look) -> bool:
    by_state = look.total("sre_daemon_incidents") - look.total(
        "sre_daemon_incidents", state="closed"
    )
    return _open(look) == by_state


def _mean_latency(looks: list[Look], part: tuple[float, float]) -> float:
    """Seconds per notification between two points of the run, from 0 to 1."""
    first, last = (looks[min(int(p * len(looks)), len(looks) - 1)] for p in part)
    count = last.total("sre_daemon_notification_seconds_count") - first.total(
        "sre_daemon_notification_seconds_count"
    )
    spent = last.total("sre_daemon_notification_seconds_sum") - first.total(
        "sre_daemon_notification_seconds_sum"
    )
    return spent / count if count else 0.0


def _slope(looks: list[Look], seconds: float) -> float:
    """Of the memory in the second half, in MiB a minute."""
    late = [look for look in looks if look.at > 0.5 * seconds]
    line = statistics.linear_regression(
        [look.at / 60 for look in late], [look.resident for look in late]
    )
    return line.slope


def _resident(looks: list[Look], part: tuple[float, float], seconds: float) -> float:
    """The usual size in MiB between two points of the hour."""
    return statistics.median(
        look.resident for look in looks if part[0] * seconds <= look.at <= part[1] * seconds
    )
