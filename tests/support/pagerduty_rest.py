"""PagerDuty's REST API v2 as its reference documents it: incidents, notes, log entries."""

import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.support.endpoint import serving
from tests.support.faults import Faults

API_KEY = "u+rest-key"
FROM = "sre@example.com"
SERVICES = {"PSHOP": "shop", "POTHER": "other"}
LIMIT = 100


@dataclass
class PagerDutyRest:
    """Incidents by id."""

    url: str = ""
    incidents: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    log: dict = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def settings(self, **more):
        return {
            "api_key": API_KEY,
            "from_email": FROM,
            "service_id": "PSHOP",
            "url": self.url,
        } | more

    def open(self, title="t", service="PSHOP", key=None, status="triggered", days=0):
        """One more incident, as PagerDuty shows it."""
        number = next(self.numbers)
        name = f"Q{number:03}"
        created = datetime.now(UTC) - timedelta(days=days) + timedelta(milliseconds=number)
        self.incidents[name] = {
            "id": name,
            "type": "incident",
            "incident_number": number,
            "title": title,
            "summary": f"[#{number}] {title}",
            "status": status,
            "urgency": "high",
            "incident_key": key or f"made-{number}",
            "created_at": created.isoformat().replace("+00:00", "Z"),
            "html_url": f"https://shop.pagerduty.com/incidents/{name}",
            "service": {"id": service, "type": "service_reference", "summary": SERVICES[service]},
            "assignments": [{"assignee": {"id": "PANN", "summary": "Ann"}}],
        }
        self._logged(name, "trigger", "Triggered through the API")
        return self.incidents[name]

    def _logged(self, name, kind, summary):
        entries = self.log.setdefault(name, [])
        at = datetime.now(UTC) + timedelta(milliseconds=len(entries))
        entry = {
            "type": f"{kind}_log_entry",
            "created_at": at.isoformat(),
            "summary": summary,
            "agent": {"summary": "Ann"},
        }
        entries.insert(0, entry)

    @web.middleware
    async def checked(self, request, handler):
        if request.headers.get("Authorization") != f"Token token={API_KEY}":
            return refused(401, 2006, "Unauthorized")
        if request.method != "GET" and request.headers.get("From") != FROM:
            return refused(400, 2001, "Invalid Input Provided", "From header is required")
        return await handler(request)

    async def list(self, request):
        query = request.query
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 25)), LIMIT)
        found = [
            item
            for item in sorted(self.incidents.values(), key=lambda x: x["created_at"], reverse=True)
            if item["status"] in query.getall("statuses[]", [item["status"]])
            and item["service"]["id"] in query.getall("service_ids[]", [item["service"]["id"]])
            and item["incident_key"] == query.get("incident_key", item["incident_key"])
        ]
        page = found[offset : offset + limit]
        more = len(found) > offset + limit
        return web.json_response(
            {"incidents": page, "limit": limit, "offset": offset, "total": None, "more": more}
        )

    async def create(self, request):
        given = (await request.json())["incident"]
        if given.get("type") != "incident" or not given.get("title"):
            return refused(400, 2001, "Invalid Input Provided", "Title cannot be empty")
        if given["service"]["id"] not in SERVICES:
            return refused(400, 2001, "Invalid Input Provided", "Service not found")
        key = given.get("incident_key")
        for item in self.incidents.values():
            if item["incident_key"] == key and item["status"] != "resolved":
                words = "Open incident with matching dedup key already exists on this service"
                return refused(400, 2002, "Arguments Caused Error", words)
        made = self.open(given["title"], given["service"]["id"], key)
        made["urgency"] = given.get("urgency", "high")
        made["body"] = given["body"]
        return web.json_response({"incident": made}, status=201)

    def _one(self, request):
        found = self.incidents.get(request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound(text='{"error": {"message": "Not Found", "code": 2100}}')
        return found

    async def get(self, request):
        found = dict(self._one(request))
        if "body" not in request.query.getall("include[]", []):
            found.pop("body", None)
        return web.json_response({"incident": found})

    async def update(self, request):
        found, given = self._one(request), (await request.json())["incident"]
        if given["type"] != "incident_reference":
            return refused(400, 2001, "Invalid Input Provided")
        if found["status"] == "resolved":
            return refused(400, 2001, "Invalid Input Provided", "Incident Already Resolved")
        found["status"] = given["status"]
        self._logged(found["id"], given["status"], f"{given['status'].title()} by Ann")
        return web.json_response({"incident": found})

    async def list_notes(self, request):
        self._one(request)
        return web.json_response({"notes": self.notes.get(request.match_info["id"], [])[::-1]})

    async def add_note(self, request):
        self._one(request)
        content = (await request.json())["note"]["content"]
        notes = self.notes.setdefault(request.match_info["id"], [])
        note = {
            "id": f"N{len(notes)}",
            "user": {"summary": "SRE"},
            "content": content,
            "created_at": datetime.now(UTC).isoformat(),
        }
        notes.append(note)
        return web.json_response({"note": note}, status=201)

    async def entries(self, request):
        self._one(request)
        found = self.log.get(request.match_info["id"], [])[: int(request.query["limit"])]
        return web.json_response({"log_entries": found, "more": False})


def refused(status, code, message, *errors):
    """In PagerDuty's form."""
    error = {"message": message, "code": code, "errors": list(errors)}
    return web.json_response({"error": error}, status=status)


@asynccontextmanager
async def pagerduty_rest():
    """On a free port."""
    played = PagerDutyRest()
    app = web.Application(middlewares=[played.faults.middleware, played.checked])
    app.router.add_get("/incidents", played.list)
    app.router.add_post("/incidents", played.create)
    app.router.add_get("/incidents/{id}", played.get)
    app.router.add_put("/incidents/{id}", played.update)
    app.router.add_get("/incidents/{id}/notes", played.list_notes)
    app.router.add_post("/incidents/{id}/notes", played.add_note)
    app.router.add_get("/incidents/{id}/log_entries", played.entries)
    async with serving(app) as url:
        played.url = url
        yield played
