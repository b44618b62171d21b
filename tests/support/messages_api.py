"""A local server that speaks the Messages API's wire protocol; a Python function is the model.

The function gets the request's JSON and returns content blocks (`text()`, `use()`), or a Fault.
Every request is recorded. Streaming and plain requests are both answered.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiohttp import web

Block = dict[str, Any]


class Trouble(Enum):
    """Ways in which the API does not answer."""

    HANG = "headers never come"
    STALL = "the stream stops in the middle"
    CUT = "the connection is closed in the middle of the stream"
    OVERLOADED = "200, and then an error event in the stream"
    REFUSAL = "the model refuses"
    GARBAGE = "200 with something that is not the protocol"


@dataclass(frozen=True)
class Status:
    """An HTTP error in the API's own form."""

    code: int
    kind: str = "api_error"
    message: str = "scripted"
    headers: dict[str, str] = field(default_factory=dict)


Answer = Sequence[Block] | Trouble | Status
Behaviour = Callable[[dict[str, Any]], Answer]
_ids = itertools.count(1)


def text(words: str) -> Block:
    """Something the model says."""
    return {"type": "text", "text": words}


def use(name: str, **arguments: object) -> Block:
    """A tool call of the model."""
    return {"type": "tool_use", "id": f"toolu_{next(_ids):08d}", "name": name, "input": arguments}


@dataclass
class Request:
    """One recorded request."""

    body: dict[str, Any]
    headers: dict[str, str]


class MessagesApi:
    """The running server: its address and what it was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.url = ""
        self.asked = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON of every request, first to last."""
        return [request.body for request in self.requests]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/messages."""
        body = await request.json()
        self.requests.append(Request(body, dict(request.headers)))
        self.asked.set()
        answer = self.behaviour(body)
        if isinstance(answer, Status):
            error = {"type": answer.kind, "message": answer.message}
            return web.json_response(
                {"type": "error", "error": error}, status=answer.code, headers=answer.headers
            )
        if answer is Trouble.HANG:
            await self._closing.wait()
            return web.Response(status=503)
        if answer is Trouble.GARBAGE:
            return web.Response(text="<html>not the protocol</html>", content_type="text/html")
        if answer is Trouble.OVERLOADED and not body.get("stream"):
            error = {"type": "overloaded_error", "message": "Overloaded"}
            return web.json_response({"type": "error", "error": error}, status=529)
        if answer is Trouble.REFUSAL:
            refused = {**_message(body, [text("No.")]), "stop_reason": "refusal"}
            return await self._send(request, body, refused)
        if not body.get("stream"):
            blocks = [] if isinstance(answer, Trouble) else answer
            return web.json_response(_message(body, blocks))
        return await self._stream(request, body, answer)

    async def _send(
        self, request: web.Request, body: dict[str, Any], message: dict[str, Any]
    ) -> web.StreamResponse:
        if not body.get("stream"):
            return web.json_response(message)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in _events(message, complete=True):
            await response.write(_sse(event))
        await response.write_eof()
        return response

    async def _stream(
        self, request: web.Request, body: dict[str, Any], answer: Sequence[Block] | Trouble
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        broken = isinstance(answer, Trouble)
        blocks = [text("I begin to")] if isinstance(answer, Trouble) else answer
        for event in _events(_message(body, blocks), complete=not broken):
            await response.write(_sse(event))
        if answer is Trouble.OVERLOADED:
            error = {"type": "overloaded_error", "message": "Overloaded"}
            await response.write(_sse({"type": "error", "error": error}))
            await response.write_eof()
            return response
        if answer is Trouble.STALL:
            await self._closing.wait()
        if broken and request.transport is not None:
            request.transport.abort()
            return response
        await response.write_eof()
        return response

    def close(self) -> None:
        """Let hanging answers end."""
        self._closing.set()


@asynccontextmanager
async def serve(behaviour: Behaviour) -> AsyncIterator[MessagesApi]:
    """Run the server on a free port of the loopback address."""
    api = MessagesApi(behaviour)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/messages", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api.close()
        await runner.cleanup()


def results(body: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """The tool results in a request, in order: (tool name, text, is_error)."""
    names: dict[str, str] = {}
    found = []
    for message in body["messages"]:
        content = message["content"] if isinstance(message["content"], list) else []
        for block in content:
            if block["type"] == "tool_use":
                names[block["id"]] = block["name"]
            elif block["type"] == "tool_result":
                name = names.get(block["tool_use_id"], "")
                found.append((name, _plain(block["content"]), bool(block.get("is_error"))))
    return found


def _plain(content: str | list[Block]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _message(body: dict[str, Any], blocks: Sequence[Block]) -> dict[str, Any]:
    tools = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": f"msg_{next(_ids):08d}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "unknown"),
        "content": list(blocks),
        "stop_reason": "tool_use" if tools else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": len(json.dumps(body)) // 4,
            "output_tokens": len(json.dumps(list(blocks))) // 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def _events(message: dict[str, Any], complete: bool) -> list[dict[str, Any]]:
    start = {**message, "content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty: Block = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events.append({"type": "content_block_delta", "index": index, "delta": delta})
        if complete:
            events.append({"type": "content_block_stop", "index": index})
    if complete:
        ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        events.append({"type": "message_delta", "delta": ended, "usage": message["usage"]})
        events.append({"type": "message_stop"})
    return events


def _sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
