"""A client of server-sent events: reads them one by one, bounded in time."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Event:
    """One of them."""

    name: str
    id: int
    data: dict


class Stream:
    """What one connection says."""

    def __init__(self, response):
        self.response = response

    async def next(self, *names):
        """The next event, of one of these names; None when the server ended the stream."""
        async with asyncio.timeout(15):
            while True:
                event = await self._one()
                if event is None or not names or event.name in names:
                    return event

    async def _one(self):
        fields = {}
        while line := await self.response.content.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                continue
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "data" in fields:
                data = json.loads(fields["data"])
                return Event(fields["event"], int(fields["id"]), data)
        return None


@asynccontextmanager
async def listening(http, url, headers, query=""):
    """Connect, and wait until it is live."""
    async with http.get(f"{url}/api/v1/events{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)
