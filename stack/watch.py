"""Following an incident from outside: Prometheus for the rule, the daemon's API for everything else."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from stack.screen import Screen
from stack.shop import Shop, StackError

POLL_SECONDS = 0.2
BASELINE_SECONDS = 60
ENDS = frozenset({"closed", "escalated"})
# In this order; each is the time since the one before it.
MOMENTS = (
    ("fault", "the fault is made"),
    ("broken", "the broken shop runs"),
    ("firing", "a rule fires in Prometheus"),
    ("webhook", "the webhook arrives"),
    ("first_call", "the first tool call is done"),
    ("diagnosis", "the diagnosis"),
    ("verdict", "the verdict of the policy"),
    ("applied", "the repair is applied"),
    ("proven", "the repair is proven"),
    ("closed", "the post-mortem is written"),
)


@dataclass
class Story:
    """What was seen so far."""

    screen: Screen
    incident_id: str = ""
    state: str = ""
    why: str = ""
    proven: bool = False
    moments: dict[str, datetime] = field(default_factory=dict)
    seen: int = 0

    def mark(self, name: str, at: datetime) -> None:
        """The first time that something happened."""
        self.moments.setdefault(name, at)

    def durations(self) -> list[tuple[str, float, float]]:
        """What, seconds since the moment before, seconds since the fault."""
        rows = []
        fault = before = self.moments["fault"]
        for name, text in MOMENTS[1:]:
            at = self.moments.get(name)
            if at is not None:
                rows.append((text, (at - before).total_seconds(), (at - fault).total_seconds()))
                before = at
        return rows

    def event(self, event: dict[str, Any]) -> None:
        """Show one event of the timeline, and remember when it was."""
        self.seen = event["seq"]
        at, kind, data = datetime.fromisoformat(event["at"]), event["kind"], event["data"]
        self.screen.event((at - self.moments["fault"]).total_seconds(), event)
        if kind == "alert":
            self.mark("webhook", at)
        elif kind == "step" and data.get("tool"):
            self.mark("first_call", at)
        elif kind in {"diagnosis", "verdict"}:
            self.mark(kind, at)
        elif kind == "verification" and data.get("proven"):
            self.proven = True
            self.mark("proven", at)
        elif kind == "state":
            self.state = data["to"]
            self.why = event["summary"].partition(": ")[2]
            if data["to"] == "verifying":
                self.mark("applied", at)
            if data["to"] == "closed":
                self.mark("closed", at)


async def wait_healthy(http: httpx.AsyncClient, stack: Shop, screen: Screen) -> None:
    """Until the daemon is ready and no alert of the shop is pending or firing.

    Raises:
        StackError: when that does not come.
    """
    screen.progress("waiting for a healthy baseline")
    try:
        async with asyncio.timeout(BASELINE_SECONDS):
            quiet = 0
            while quiet < 10:
                quiet = quiet + 1 if await _healthy(http, stack) else 0
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StackError(
            f"the shop is not well after {BASELINE_SECONDS} s, before anything was broken; "
            f"the end of the API server's log:\n{stack.log('api-server')}"
        ) from None


async def _healthy(http: httpx.AsyncClient, stack: Shop) -> bool:
    try:
        ready = (await http.get(f"{stack.daemon}/readyz")).json()
        alerts = (await http.get(f"{stack.prometheus}/api/v1/alerts")).json()["data"]["alerts"]
        query = "sum(rate(http_requests_total[5s]))"
        answer = await http.get(f"{stack.prometheus}/api/v1/query", params={"query": query})
        rate = answer.json()["data"]["result"]
    except httpx.HTTPError:
        return False
    others = [alert for alert in alerts if alert["labels"]["alertname"] != "Watchdog"]
    well = all(state == "ok" for state in ready["dependencies"].values())
    return well and not others and bool(rate) and float(rate[0]["value"][1]) > 20


async def follow(http: httpx.AsyncClient, stack: Shop, story: Story) -> None:
    """Show everything from the first rule that fires until the incident ends."""
    headers = {"Authorization": f"Bearer {stack.api_token}"}
    while story.state not in ENDS:
        await _look_at_rules(http, stack, story)
        if not story.incident_id:
            answer = await http.get(f"{stack.daemon}/api/v1/incidents", headers=headers)
            found = answer.raise_for_status().json()["incidents"]
            if found:
                story.incident_id = found[0]["id"]
        if story.incident_id:
            url = f"{stack.daemon}/api/v1/incidents/{story.incident_id}/timeline"
            answer = await http.get(url, params={"after": story.seen}, headers=headers)
            for event in answer.raise_for_status().json()["events"]:
                story.event(event)
        await asyncio.sleep(POLL_SECONDS)


async def _look_at_rules(http: httpx.AsyncClient, stack: Shop, story: Story) -> None:
    """The first rule that fires, with the time of the evaluation that found it."""
    if "firing" in story.moments:
        return
    answer = await http.get(f"{stack.prometheus}/api/v1/rules", params={"type": "alert"})
    rules = [rule for group in answer.json()["data"]["groups"] for rule in group["rules"]]
    firing = [rule for rule in rules if rule["state"] == "firing" and rule["name"] != "Watchdog"]
    if firing:
        rule = min(firing, key=lambda item: str(item["lastEvaluation"]))
        at = datetime.fromisoformat(rule["lastEvaluation"])
        story.mark("firing", at)
        since = (at - story.moments["fault"]).total_seconds()
        value = next(a["value"] for a in rule["alerts"] if a["state"] == "firing")
        story.screen.rule(since, rule["name"], value)
