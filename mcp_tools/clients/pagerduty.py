"""PagerDuty's REST API v2, as far as incidents go."""

import asyncio
from collections.abc import Sequence
from typing import Any

from mcp_tools.clients.rest import Failed, Lost, RestClient, part
from mcp_tools.errors import ToolError
from mcp_tools.settings import PagerDutySettings

OPEN = ("triggered", "acknowledged")
EVERY = (*OPEN, "resolved")
PAGE = 100
MAX_INCIDENTS = 500
BAD_REQUEST = 400
Json = dict[str, Any]


class PagerDuty:
    """One account, by its key."""

    def __init__(self, settings: PagerDutySettings) -> None:
        headers = {
            "Authorization": f"Token token={settings.api_key.get_secret_value()}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }
        if settings.from_email:
            headers["From"] = settings.from_email
        self.service = settings.service_id
        self.can_write = bool(settings.from_email)
        self._rest = RestClient("PagerDuty", str(settings.url), headers)

    async def incidents(
        self, statuses: Sequence[str], service: str | None = None, key: str | None = None
    ) -> tuple[list[Json], bool]:
        """Incidents by status, newest first, page after page; and whether there are more."""
        query: dict[str, str | list[str]] = {
            "statuses[]": list(statuses),
            "sort_by": "created_at:desc",
            "limit": str(PAGE),
        }
        if service:
            query["service_ids[]"] = [service]
        if key:
            query["incident_key"] = key
        found: list[Json] = []
        while True:
            page = await self._rest.request(
                "GET", "/incidents", {**query, "offset": str(len(found))}
            )
            items = _list(page, "incidents")
            found += items
            if not page.get("more") or not items:
                return found, False
            if len(found) >= MAX_INCIDENTS:
                return found, True

    async def incident(self, identifier: str) -> Json:
        """One incident with its description."""
        path = f"/incidents/{part(identifier)}"
        return _object(await self._rest.request("GET", path, {"include[]": ["body"]}), "incident")

    async def whole(self, identifier: str) -> tuple[Json, list[Json], list[Json]]:
        """One incident, its notes, and its log, oldest first; of a long log the newest part."""
        path = f"/incidents/{part(identifier)}"
        log_query = {"limit": str(PAGE), "is_overview": "true"}
        incident, notes, log = await asyncio.gather(
            self.incident(identifier),
            self.notes(identifier),
            self._rest.request("GET", f"{path}/log_entries", log_query),
        )
        entries = sorted(_list(log, "log_entries"), key=lambda item: str(item.get("created_at")))
        return incident, notes, entries

    async def notes(self, identifier: str) -> list[Json]:
        """The notes of an incident, oldest first."""
        answer = await self._rest.request("GET", f"/incidents/{part(identifier)}/notes")
        return sorted(_list(answer, "notes"), key=lambda item: str(item.get("created_at")))

    async def open_under(self, service: str, key: str) -> Json | None:
        """The open incident of the service under this key."""
        found, _ = await self.incidents(OPEN, service, key)
        return next(iter(found), None)

    async def create(self, incident: Json, key: str) -> tuple[Json, bool]:
        """Open an incident under a key that only one open incident of the service can have.

        Returns:
            The incident, and whether it is new.
        """
        try:
            answer = await self._rest.request(
                "POST", "/incidents", body={"incident": incident | {"incident_key": key}}
            )
        except Failed as failure:
            # The key is taken: also when our own first request was carried out and its answer lost.
            service = str(incident["service"]["id"])
            taken = failure.status == BAD_REQUEST and await self.open_under(service, key)
            if taken:
                return taken, False
            raise
        return _object(answer, "incident"), True

    async def set_status(self, identifier: str, status: str) -> Json:
        """Acknowledge or resolve; the same again changes nothing."""
        body = {"incident": {"type": "incident_reference", "status": status}}
        answer = await self._rest.request("PUT", f"/incidents/{part(identifier)}", body=body)
        return _object(answer, "incident")

    async def note(self, identifier: str, text: str) -> None:
        """See to it that the incident has this note, once.

        Raises:
            Failed: it was not written.
            Lost: no answer came, and it is not there.
        """
        if await self._has(identifier, text):
            return
        body = {"note": {"content": text}}
        path = f"/incidents/{part(identifier)}/notes"
        try:
            await self._rest.request("POST", path, body=body, repeatable=False)
        except (Lost, Failed):
            if not await self._has(identifier, text):
                raise

    async def _has(self, identifier: str, text: str) -> bool:
        return any(note.get("content") == text for note in await self.notes(identifier))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rest.aclose()


def _list(answer: Json, name: str) -> list[Json]:
    items = answer.get(name)
    if not isinstance(items, list):
        raise _strange(name)
    return [item for item in items if isinstance(item, dict)]


def _object(answer: Json, name: str) -> Json:
    item = answer.get(name)
    if not isinstance(item, dict):
        raise _strange(name)
    return item


def _strange(name: str) -> ToolError:
    return ToolError(
        f"PagerDuty's answer has no {name}.", "Check its base address in the settings."
    )
