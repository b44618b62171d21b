"""The policy: its rules, how they fared, and what they say about an alert."""

from typing import Any

from aiohttp import web

from sre_daemon.errors import PolicyFileError
from sre_daemon.web import api
from sre_daemon.web.auth import check_person
from sre_daemon.web.console.page import render
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import BadRequest

MAX_LABELS = 50


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [web.get("/policy", policy)]


async def policy(request: web.Request) -> web.Response:
    """The rules; with labels in the address also what they say about such an alert."""
    check_person(request)
    front = request.app[FRONT]
    context: dict[str, Any] = {"rules": [], "problem": "", "labels": "", "explained": None}
    try:
        context["rules"] = await front.rules()
        text = request.query.get("labels", "")
        context["labels"] = text
        if text.strip():
            context["explained"] = dict(await front.control.explain(_labels(text)))
    except PolicyFileError as failure:
        context["problem"] = str(failure)
    except BadRequest as failure:
        context["problem"] = failure.reason
    return await render(request, "policy.html", context, here="policy")


def _labels(text: str) -> dict[str, str]:
    """One `name=value` per line or between commas; quotes around a value are dropped."""
    pairs = [part.strip() for line in text.splitlines() for part in line.split(",")]
    found = api.labels_of([pair for pair in pairs if pair][:MAX_LABELS])
    return {name.strip(): value.strip().strip('"') for name, value in found.items()}
