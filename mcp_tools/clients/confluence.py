"""Confluence's content API: pages of one space."""

import base64
from typing import Any

from mcp_tools.clients.rest import Failed, RestClient, part
from mcp_tools.errors import ToolError
from mcp_tools.settings import ConfluenceSettings

PAGE = 50
MAX_PAGES = 200
EXPAND = "body.storage,version,history,space"
# A page of that title exists: in the cloud, and in a Data Center.
TAKEN = frozenset({400, 409})
Json = dict[str, Any]


class Confluence:
    """One space of one site, in somebody's name."""

    def __init__(self, settings: ConfluenceSettings) -> None:
        token = settings.api_token.get_secret_value()
        basic = base64.b64encode(f"{settings.user_email}:{token}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}" if settings.user_email else f"Bearer {token}"}
        self.space = settings.space_key
        self.parent = settings.parent_page_id
        self._base = str(settings.base_url).rstrip("/")
        self._rest = RestClient("Confluence", self._base, headers)

    async def create(self, title: str, storage: str) -> tuple[Json, bool]:
        """Make a page below the parent; a space has one page of a title.

        Returns:
            The page, and whether it is new; one that is not new may be somebody else's.
        """
        body: Json = {
            "type": "page",
            "title": title,
            "space": {"key": self.space},
            "body": {"storage": {"value": storage, "representation": "storage"}},
        }
        if self.parent:
            body["ancestors"] = [{"id": self.parent}]
        try:
            page: Json = await self._rest.request("POST", "/rest/api/content", body=body)
        except Failed as failure:
            # Also when our own first request was carried out and its answer was lost.
            existing = await self.by_title(title) if failure.status in TAKEN else None
            if existing is None:
                raise
            return existing, False
        return page, True

    async def by_id(self, identifier: str) -> Json:
        """A page with its body.

        Raises:
            ToolError: it is in another space.
        """
        page: Json = await self._rest.request(
            "GET", f"/rest/api/content/{part(identifier)}", {"expand": EXPAND}
        )
        space = (page.get("space") or {}).get("key")
        if space != self.space:
            raise ToolError(
                f"The page is in the space {space!r}, and only {self.space!r} is read.",
                "Look for it with confluence_list_postmortems.",
            )
        return page

    async def by_title(self, title: str) -> Json | None:
        """The page of exactly this title in the space, with its body."""
        answer = await self._rest.request(
            "GET",
            "/rest/api/content",
            {"title": title, "spaceKey": self.space, "type": "page", "expand": EXPAND},
        )
        return next((page for page in _results(answer) if page.get("title") == title), None)

    async def postmortems(self, days: int, term: str | None) -> tuple[list[Json], bool]:
        """Post-mortems of the last days, newest first, page after page; and whether there are more."""
        conditions = [
            f"space = {quoted(self.space)}",
            "type = page",
            'title ~ "Post-Mortem"',
            f'created >= now("-{days:d}d")',
        ]
        if term:
            conditions.append(f"text ~ {quoted(term)}")
        cql = " AND ".join(conditions) + " ORDER BY created DESC"
        found: list[Json] = []
        while True:
            query = {"cql": cql, "limit": str(PAGE), "start": str(len(found))}
            answer = await self._rest.request(
                "GET", "/rest/api/content/search", query | {"expand": "version,history"}
            )
            page = _results(answer)
            found += page
            if "next" not in (answer.get("_links") or {}) or not page:
                return found, False
            if len(found) >= MAX_PAGES:
                return found, True

    def link(self, page: Json) -> str:
        """Where people read it."""
        return self._base + str((page.get("_links") or {}).get("webui", ""))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rest.aclose()


def _results(answer: Json) -> list[Json]:
    items = answer.get("results")
    if not isinstance(items, list):
        raise ToolError(
            "Confluence's answer has no results.", "Check its base address in the settings."
        )
    return [item for item in items if isinstance(item, dict)]


def quoted(text: str) -> str:
    """A string of CQL; the backslash first, or it would free the quote behind it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
