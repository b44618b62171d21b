"""Runbooks, post-mortems and the policy as resources: read-only text, bounded and without secrets."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from mcp_tools.server.results import presentable
from mcp_tools.settings import ToolSettings
from mcp_tools.spec import clean, clip
from mcp_tools.tools import runbooks

MAX_BYTES = 256 * 1024
MAX_POSTMORTEMS = 500
PAGE = 100
MARKDOWN = "text/markdown"
YAML = "application/yaml"
POLICY = "policy://current"


class Resources:
    """Answers resources/list, resources/templates/list and resources/read."""

    def __init__(self, settings: ToolSettings) -> None:
        self._settings = settings

    async def list(
        self, _request: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """All of them, a hundred at a time."""
        cursor = params.cursor if params is not None else None
        start = int(cursor) if cursor is not None and cursor.isascii() and cursor.isdigit() else 0
        if cursor is not None and str(start) != cursor:
            raise MCPError(types.INVALID_PARAMS, "The cursor is none that this server gave.")
        found = list((await anyio.to_thread.run_sync(self._found)).values())
        more = str(start + PAGE) if start + PAGE < len(found) else None
        shown = [resource for resource, _ in found[start : start + PAGE]]
        return types.ListResourcesResult(resources=shown, next_cursor=more)

    async def templates(
        self, _request: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """The forms of the addresses."""
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    name=name,
                    uri_template=f"{name}://{{name}}",
                    description=description,
                    mime_type=MARKDOWN,
                )
                for name, description in (
                    ("runbook", "What people wrote about a known problem"),
                    ("postmortem", "The report of an incident that is over"),
                )
            ]
        )

    async def read(
        self, _request: ServerRequestContext[Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """One of those that are listed; a path cannot be asked for."""
        uri = str(params.uri)
        text = await anyio.to_thread.run_sync(partial(self._text, uri))
        kind = YAML if uri == POLICY else MARKDOWN
        content = types.TextResourceContents(uri=uri, mime_type=kind, text=presentable(text))
        return types.ReadResourceResult(contents=[content])

    async def complete(
        self, _request: ServerRequestContext[Any], params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        """Names that begin like the given one, for the addresses of `templates`."""
        ref, begun = params.ref, params.argument.value
        names: list[str] = []
        if isinstance(ref, types.ResourceTemplateReference):
            prefix = ref.uri.partition("{")[0]
            found = await anyio.to_thread.run_sync(self._found)
            names = [unquote(uri.removeprefix(prefix)) for uri in found if uri.startswith(prefix)]
        matching = [name for name in names if name.startswith(begun)]
        return types.CompleteResult(
            completion=types.Completion(
                values=matching[:PAGE], total=len(matching), has_more=len(matching) > PAGE
            )
        )

    def _found(self) -> Mapping[str, tuple[types.Resource, Path]]:
        return {resource.uri: (resource, path) for resource, path in self._each()}

    def _each(self) -> Iterator[tuple[types.Resource, Path]]:
        policy = self._settings.policy
        if policy is not None and policy.is_file():
            yield _resource(POLICY, "policy", "What may be changed without a person", YAML), policy
        for name, (page, path) in runbooks.found(self._settings.runbooks).items():
            uri = f"runbook://{quote(name, safe='')}"
            yield _resource(uri, name, page.title, MARKDOWN), path
        folder = self._settings.postmortems
        if folder is not None and folder.is_dir():
            for path in sorted(folder.glob("*.md"), reverse=True)[:MAX_POSTMORTEMS]:
                if path.is_file() and not path.is_symlink():
                    uri = f"postmortem://{quote(path.stem, safe='')}"
                    yield _resource(uri, path.stem, "The report of an incident", MARKDOWN), path

    def _text(self, uri: str) -> str:
        found = self._found()
        # A client may have normalised the address: the name counts, not how it is quoted.
        same = {unquote(name): path for name, (_, path) in found.items()}
        path = same.get(unquote(uri).rstrip("/"))
        if path is None:
            known = ", ".join(list(found)[:10]) or "none"
            raise MCPError(
                types.INVALID_PARAMS,
                f"There is no resource {clip(clean(uri), 100)!r}. Resources: {known}.",
                {"uri": clip(uri, 200)},
            )
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES).decode("utf-8", "replace")
        except OSError as failure:
            raise MCPError(
                types.INTERNAL_ERROR, f"{uri} cannot be read: {failure.strerror}."
            ) from failure


def _resource(uri: str, name: str, description: str, kind: str) -> types.Resource:
    return types.Resource(uri=uri, name=clean(name), description=clean(description), mime_type=kind)
