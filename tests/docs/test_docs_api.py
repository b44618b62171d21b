"""docs/api.md names every route of the server, and no other."""

import re
from pathlib import Path

from sre_daemon.web import api, approvals, handover, hands, health, pagerduty, policy, slack

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
OTHERS = {"POST /webhook/alertmanager", "GET /"}


def test_every_route_is_documented():
    routes = {
        f"{r.method} {r.path}"
        for room in (api, approvals, handover, hands, health, pagerduty, policy, slack)
        for r in room.routes()
    } | OTHERS
    documented = set(re.findall(r"^\| `([A-Z]+ [^`]+)`", PAGE.read_text(), re.MULTILINE))
    assert documented == routes
