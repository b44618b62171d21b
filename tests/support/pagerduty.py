"""PagerDuty as far as the daemon uses it: Events API v2 and notes over the REST API, with its refusals."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.endpoint import serving

ROUTING_KEY = "R0UTING" + "0" * 25
API_KEY = "u+apikey"


@dataclass
class PagerDuty:
    """Alerts by deduplication key; an alert that is open and acknowledged notifies nobody."""

    url: str = ""
    status: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)
    pages: Counter = field(default_factory=Counter)
    failing: list = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def enqueue(self, request):
        if self.failing:
            raise self.failing.pop(0)
        event = await request.json()
        self.changed.set()
        wrong = self._wrong(event)
        if wrong:
            return web.json_response({"status": "invalid event", "errors": [wrong]}, status=400)
        self.events.append(event)
        key, action = event["dedup_key"], event["event_action"]
        now = self.status.get(key, "resolved")
        if action == "trigger":
            if now == "resolved":
                self.pages[key] += 1
                self.status[key] = "triggered"
        elif now != "resolved":
            self.status[key] = "acknowledged" if action == "acknowledge" else "resolved"
        return web.json_response({"status": "success", "dedup_key": key}, status=202)

    def _wrong(self, event):
        if event.get("routing_key") != ROUTING_KEY:
            return "routing_key is invalid"
        if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
            return "event_action is invalid"
        if not 0 < len(event.get("dedup_key", "")) <= 255:
            return "dedup_key has the wrong length"
        payload = event.get("payload", {})
        if len(payload.get("summary", "")) > 1024 or not payload.get("summary"):
            return "summary has the wrong length"
        if payload.get("severity") not in {"critical", "error", "warning", "info"}:
            return "severity is invalid"
        return "" if payload.get("source") else "source is missing"

    def _authorized(self, request):
        if request.headers.get("Authorization") != f"Token token={API_KEY}":
            raise web.HTTPUnauthorized
        if request.method == "POST" and "@" not in request.headers.get("From", ""):
            raise web.HTTPBadRequest

    async def incidents(self, request):
        self._authorized(request)
        key, wanted = request.query["incident_key"], request.query.getall("statuses[]")
        found = [{"id": f"P{key}"}] if self.status.get(key) in wanted else []
        return web.json_response({"incidents": found, "more": False})

    async def list_notes(self, request):
        self._authorized(request)
        notes = self.notes.get(request.match_info["id"], [])
        return web.json_response({"notes": [{"content": note} for note in notes]})

    async def add_note(self, request):
        self._authorized(request)
        content = (await request.json())["note"]["content"]
        if not 0 < len(content) <= 25_000:
            raise web.HTTPBadRequest
        self.notes.setdefault(request.match_info["id"], []).append(content)
        return web.json_response({"note": {"content": content}}, status=201)


@asynccontextmanager
async def pagerduty():
    """On a free port."""
    played = PagerDuty()
    app = web.Application()
    app.router.add_post("/v2/enqueue", played.enqueue)
    app.router.add_get("/incidents", played.incidents)
    app.router.add_get("/incidents/{id}/notes", played.list_notes)
    app.router.add_post("/incidents/{id}/notes", played.add_note)
    async with serving(app) as url:
        played.url = url
        yield played
