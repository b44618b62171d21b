"""`drill`: a synthetic alert through Alertmanager, followed to its end.

It shows that the whole path works: route, webhook, token, investigation, people. Nothing is changed
by it, whatever the policy says: an effect needs an alert that fires in Prometheus, and this one does not.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from sre_daemon.cli import output
from sre_daemon.cli.client import Client, Declined, Unreachable, connect
from sre_daemon.cli.options import Url, labels
from sre_daemon.clock import SystemClock
from sre_daemon.errors import ConfigError
from sre_daemon.settings import load

POLL_SECONDS = 0.5
# A person has it, or is asked; nothing more comes by itself while the alert fires.
HALTS = frozenset({"escalated", "awaiting_approval", "resolved", "closed"})
ENDS = frozenset({"resolved", "closed"})


def drill(
    alertname: Annotated[str, typer.Argument(help="The alert to play.")],
    label: Annotated[list[str] | None, typer.Option(help="A label of it: k=v.")] = None,
    alertmanager: Annotated[str, typer.Option(help="Its address.")] = "",
    config: Annotated[Path | None, typer.Option(help="Or the settings file that names it.")] = None,
    timeout: Annotated[int, typer.Option(min=5, help="Seconds until it must be over.")] = 300,
    url: Url = "",
) -> None:
    """Send a synthetic alert through Alertmanager and follow it to the end; nothing is changed.

    Exit 0 when an incident was opened, brought to a person or to its end, and ended with the alert.
    """
    mark = secrets.token_hex(4)
    alert = {"severity": "warning"} | labels(label or []) | {"alertname": alertname, "drill": mark}
    client = connect(url)
    deadline = time.monotonic() + timeout
    with _firing(_address(alertmanager, config), alert, timeout):
        output.say(f"{alertname} fires in Alertmanager, with the label drill={mark}", "drill")
        name = _incident(client, mark, deadline)
        seen = _follow(client, name, 0, HALTS, deadline)
        output.say("the alert stops now", "drill")
    _follow(client, name, seen, ENDS, deadline)
    output.say(f"incident {name} is over", "ok")


def _address(given: str, config: Path | None) -> str:
    if given:
        return given.rstrip("/")
    known = load(config).alertmanagers if config is not None else ()
    if not known:
        raise ConfigError("where is Alertmanager?", "--alertmanager URL, or --config FILE")
    return str(known[0]).rstrip("/")


@contextmanager
def _firing(address: str, alert: dict[str, str], seconds: int) -> Iterator[None]:
    """It fires inside, and has stopped outside, whatever happens."""
    begun = SystemClock().now()
    _send(address, alert, begun, begun + timedelta(seconds=seconds))
    try:
        yield
    finally:
        _send(address, alert, begun, SystemClock().now())


def _send(address: str, alert: dict[str, str], begun: datetime, ends: datetime) -> None:
    body = [
        {
            "labels": alert,
            "annotations": {"summary": "A drill: nothing is wrong."},
            "startsAt": begun.isoformat(),
            "endsAt": ends.isoformat(),
        }
    ]
    try:
        answer = httpx.post(f"{address}/api/v2/alerts", json=body, timeout=10, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise Unreachable(
            f"no answer from Alertmanager at {address}: {type(failure).__name__}",
            "--alertmanager says where",
        ) from failure
    if not answer.is_success:
        raise Declined(f"Alertmanager does not take the alert: {answer.text[:200]}")


def _incident(client: Client, mark: str, deadline: float) -> str:
    while True:
        found = client.get("/incidents", [("label", f"drill={mark}")])["incidents"]
        if found:
            return str(found[0]["id"])
        _wait(
            deadline,
            "the alert did not come to the daemon as an incident of its own",
            "look at Alertmanager's route and webhook_configs, the token, and the group's open incidents",
        )


def _follow(client: Client, name: str, seen: int, until: frozenset[str], deadline: float) -> int:
    """Print the timeline as it grows, until the incident is in one of the states."""
    path = f"/incidents/{name}"
    while True:
        state = client.get(path)["state"]
        events: list[Any] = client.get(f"{path}/timeline", [("after", str(seen))])["events"]
        for event in events:
            output.say(f"  {event['kind']:<13} {event['summary']}", event["at"][11:19])
            seen = event["seq"]
        if state in until:
            return seen
        _wait(deadline, f"incident {name} is still {state}", "its timeline says what it waits for")


def _wait(deadline: float, reason: str, hint: str) -> None:
    if time.monotonic() > deadline:
        raise Declined(reason, hint)
    time.sleep(POLL_SECONDS)
