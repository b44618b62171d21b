"""Confluence's content API as its reference documents it: pages of a space, and a piece of CQL."""

import base64
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from aiohttp import web

from tests.support.endpoint import serving
from tests.support.faults import Faults

EMAIL, TOKEN, SPACE, PARENT = "sre@example.com", "c0nfluence-t0ken", "SRE", "77"
BASIC = "Basic " + base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
# A string of CQL, with what a backslash keeps.
STRING = r'"((?:[^"\\]|\\.)*)"'
CQL = re.compile(
    rf"space = {STRING} AND type = page AND title ~ {STRING}"
    rf' AND created >= now\("-(\d+)d"\)(?: AND text ~ {STRING})? ORDER BY created DESC'
)
LIMIT = 50


@dataclass
class ConfluenceServer:
    """Pages by id."""

    url: str = ""
    pages: dict = field(default_factory=dict)
    queries: list = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def settings(self, **more):
        return {
            "base_url": f"{self.url}/wiki",
            "api_token": TOKEN,
            "user_email": EMAIL,
            "space_key": SPACE,
            "parent_page_id": PARENT,
        } | more

    def write(self, title, value="<p>x</p>", space=SPACE, days=0, ancestors=()):
        """One more page, as Confluence shows it."""
        number = str(1000 + len(self.pages))
        created = datetime.now(UTC) - timedelta(days=days) + timedelta(milliseconds=len(self.pages))
        self.pages[number] = {
            "id": number,
            "type": "page",
            "title": title,
            "space": {"key": space},
            "ancestors": list(ancestors),
            "version": {"number": 1},
            "history": {"createdDate": created.isoformat()},
            "body": {"storage": {"value": value, "representation": "storage"}},
            "_links": {"webui": f"/spaces/{space}/pages/{number}"},
        }
        return self.pages[number]

    @web.middleware
    async def checked(self, request, handler):
        if request.headers.get("Authorization") not in {BASIC, f"Bearer {TOKEN}"}:
            return refused(401, "Basic authentication with passwords is deprecated.")
        return await handler(request)

    async def create(self, request):
        given = await request.json()
        value = given["body"]["storage"]["value"]
        if given["body"]["storage"]["representation"] != "storage" or given["type"] != "page":
            return refused(400, "Unsupported representation")
        try:
            ElementTree.fromstring(f"<page>{value}</page>")
        except ElementTree.ParseError as failure:
            return refused(400, f"Error parsing xhtml: {failure}")
        for page in self.pages.values():
            if (page["title"], page["space"]["key"]) == (given["title"], given["space"]["key"]):
                return refused(400, "A page with this title already exists: A page already exists")
        return web.json_response(
            self.write(
                given["title"], value, given["space"]["key"], ancestors=given.get("ancestors", ())
            )
        )

    async def get(self, request):
        page = self.pages.get(request.match_info["id"])
        if page is None:
            return refused(404, "No content found with id")
        return web.json_response(expanded(page, request))

    async def by_title(self, request):
        query = request.query
        found = [
            expanded(page, request)
            for page in self.pages.values()
            # Titles are found whatever their case.
            if page["title"].casefold() == query["title"].casefold()
            and page["space"]["key"] == query["spaceKey"]
        ]
        return web.json_response({"results": found, "size": len(found), "_links": {}})

    async def search(self, request):
        cql = request.query["cql"]
        self.queries.append(cql)
        understood = CQL.fullmatch(cql)
        if understood is None:
            return refused(400, f"Could not parse cql : {cql}")
        space, title, days, term = understood.groups()
        oldest = datetime.now(UTC) - timedelta(days=int(days))
        words = [re.sub(r"\\(.)", r"\1", text or "").casefold() for text in (title, term)]
        found = [
            expanded(page, request)
            for page in self.pages.values()
            if page["space"]["key"] == space
            and words[0] in page["title"].casefold()
            and words[1] in (page["title"] + page["body"]["storage"]["value"]).casefold()
            and datetime.fromisoformat(page["history"]["createdDate"]) >= oldest
        ]
        found.sort(key=lambda page: page["history"]["createdDate"], reverse=True)
        start, limit = int(request.query["start"]), min(int(request.query["limit"]), LIMIT)
        links = {"next": "/rest/api/content/search?…"} if len(found) > start + limit else {}
        return web.json_response({"results": found[start : start + limit], "_links": links})


def expanded(page, request):
    """Only what was asked for is expanded."""
    wanted = request.query.get("expand", "").split(",")
    shown = {name: page[name] for name in ("id", "type", "title", "_links")}
    if "body.storage" in wanted:
        shown["body"] = page["body"]
    return shown | {name: page[name] for name in ("version", "history", "space") if name in wanted}


def refused(status, message):
    """In Confluence's form."""
    return web.json_response({"statusCode": status, "message": message}, status=status)


@asynccontextmanager
async def confluence():
    """On a free port."""
    played = ConfluenceServer()
    app = web.Application(middlewares=[played.faults.middleware, played.checked])
    app.router.add_post("/wiki/rest/api/content", played.create)
    app.router.add_get("/wiki/rest/api/content", played.by_title)
    app.router.add_get("/wiki/rest/api/content/search", played.search)
    app.router.add_get("/wiki/rest/api/content/{id}", played.get)
    async with serving(app) as url:
        played.url = url
        yield played
