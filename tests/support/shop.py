"""A running shop as acceptance tests see it: breaks, waits for what should come, tells the story."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from stack.embedded import Stack
from stack.shop import Shop as AnyStack
from tests.support.tool_server import connected

QUIET_SECONDS = 40


class Shop:
    """One stack, and its daemon's API."""

    def __init__(self, stack: AnyStack, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self.http = http
        self.known: set[str] = set()

    async def api(self, path):
        headers = {"Authorization": f"Bearer {self.stack.api_token}"}
        response = await self.http.get(f"{self.stack.daemon}/api/v1{path}", headers=headers)
        response.raise_for_status()
        return response.json()

    async def post(self, path, body):
        headers = {"Authorization": f"Bearer {self.stack.api_token}"}
        url = f"{self.stack.daemon}/api/v1{path}"
        return (await self.http.post(url, headers=headers, json=body)).json()

    async def reload(self):
        """Put the policy file in force, or not; the answer's status."""
        headers = {"Authorization": f"Bearer {self.stack.api_token}"}
        url = f"{self.stack.daemon}/-/reload"
        return (await self.http.post(url, headers=headers)).status_code

    async def hand_back(self, name, reason="look again"):
        """Give an escalated incident back to the daemon."""
        answer = await self.post(f"/incidents/{name}/hand-back", {"reason": reason})
        assert answer.get("state") == "investigating", answer

    @asynccontextmanager
    async def tools(self):
        """An MCP client of a tool server with the daemon's own settings, as the agent has one."""
        async with connected(self.stack.root / "daemon" / "data" / "tools.json") as client:
            yield client

    async def values(self, query):
        """The values of an instant query by the label `service`."""
        url = f"{self.stack.prometheus}/api/v1/query"
        result = (await self.http.get(url, params={"query": query})).json()["data"]["result"]
        return {item["metric"].get("service", ""): float(item["value"][1]) for item in result}

    async def value(self, query):
        """The value of an instant query, or None."""
        url = f"{self.stack.prometheus}/api/v1/query"
        result = (await self.http.get(url, params={"query": query})).json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    async def until(self, ask, holds, within=30):
        """Ask until the answer is as it should be; the answer. Fails with the last one."""
        found = None
        try:
            async with asyncio.timeout(within):
                while True:
                    found = await ask()
                    if holds(found):
                        return found
                    await asyncio.sleep(0.25)
        except TimeoutError:
            raise AssertionError(f"after {within} s still {found}") from None

    async def becomes(self, query, expected, within=15):
        """Until the instant query has this value."""
        await self.until(lambda: self.value(query), lambda found: found == expected, within)

    async def firing(self):
        """Names of the shop's alerts that are pending or firing."""
        answer = (await self.http.get(f"{self.stack.prometheus}/api/v1/alerts")).json()
        names = {alert["labels"]["alertname"] for alert in answer["data"]["alerts"]}
        return names - {"Watchdog"}

    async def quiet(self):
        """Until no alert fires, every incident is over, and the traffic is served."""
        async with asyncio.timeout(QUIET_SECONDS):
            calm = 0
            while calm < 8:
                calm = calm + 1 if await self._calm() else 0
                await asyncio.sleep(0.25)
        self.known = {item["id"] for item in await self._incidents()}

    async def _calm(self):
        try:
            rate = await self.value('sum(rate(http_requests_total{status="200"}[5s]))')
            over = all(item["state"] == "closed" for item in await self._incidents())
            return over and not await self.firing() and (rate or 0) > 30
        except (httpx.HTTPError, KeyError):
            return False

    async def _incidents(self):
        return (await self.api("/incidents"))["incidents"]

    async def incident(self, within=30):
        """The first new incident."""
        async with asyncio.timeout(within):
            while True:
                try:
                    new = [i for i in await self._incidents() if i["id"] not in self.known]
                except httpx.HTTPError:
                    new = []
                if new:
                    return new[-1]["id"]
                await asyncio.sleep(0.1)

    async def reaches(self, name, *states, within=60):
        """Until the incident is in one of the states; its details. Fails with its story."""
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        item = await self.api(f"/incidents/{name}")
                        if item["state"] in states:
                            return item
                    except httpx.HTTPError:
                        pass  # the daemon may be down at the moment: that is what is tested
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(
                f"not {' or '.join(states)} within {within} s:\n{await self.story(name)}"
            ) from None

    async def events(self, name):
        return (await self.api(f"/incidents/{name}/timeline"))["events"]

    async def story(self, name):
        lines = [
            f"{e['at'][11:23]} {e['kind']:<13} {e['summary']}" for e in await self.events(name)
        ]
        return "\n".join([*lines, self.stack.log("sre-daemon")])

    async def reason(self, name):
        """Why the incident is in the state that it is in."""
        moves = [e["data"] for e in await self.events(name) if e["kind"] == "state"]
        return moves[-1]["reason"]

    async def states(self, name):
        """The states that the incident passed, in order."""
        moves = [e["data"] for e in await self.events(name) if e["kind"] == "state"]
        return [moves[0]["from"], *(move["to"] for move in moves)]

    def target(self):
        """Everything that a repair could change: the files, the deploys, the running processes."""
        files = {path.name: path.read_bytes() for path in self.stack.config_file.parent.iterdir()}
        return files, self.deploys()

    def file(self):
        """The bytes of the file that everything is about."""
        return self.stack.config_file.read_bytes()

    def deploys(self):
        """Who deployed, in order."""
        lines = self.stack.deployments.read_text().splitlines()
        return [json.loads(line)["author"] for line in lines]

    def database(self):
        """The daemon's store, read from outside."""
        path = self.stack.root / "daemon" / "data" / "sre-daemon.sqlite3"
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


@asynccontextmanager
async def running_shop(root: Path, **options) -> AsyncIterator[Shop]:
    """Start a stack, wait until all is well, stop it at the end."""
    async with watched(Stack(root, **options)) as shop:
        yield shop


@asynccontextmanager
async def watched(stack: AnyStack) -> AsyncIterator[Shop]:
    """The same for any kind of stack."""
    async with stack, httpx.AsyncClient(timeout=5, trust_env=False) as http:
        shop = Shop(stack, http)
        await shop.quiet()
        yield shop
