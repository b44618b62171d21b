"""Slack as far as the daemon uses it: Web API, Socket Mode and signing, with its limits and errors."""

import asyncio
import hashlib
import hmac
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.support.endpoint import serving

BOT_TOKEN = "xoxb-1-test"
APP_TOKEN = "xapp-1-test"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BOT, TEAM, ROOM = "U0BOT", "T0TEAM", "C0ROOM"


@dataclass
class Workspace:
    """Rooms with their messages, in order. `faults` are answers that the next calls get instead."""

    url: str = ""
    rooms: dict = field(default_factory=lambda: {ROOM: []})
    views: list = field(default_factory=list)
    whispers: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    sockets: list = field(default_factory=list)
    acks: list = field(default_factory=list)
    count: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, request):
        method = request.match_info["method"]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        body = dict(request.query)
        if request.content_type == "application/json":
            body |= await request.json()
        else:
            body |= dict(await request.post())
        self.calls.append((method, body))
        self.changed.set()
        if self.faults:
            return self._fault(self.faults.pop(0), request)
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if token != wanted:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        answer = getattr(self, method.replace(".", "_").lower())(body)
        return web.json_response({"ok": "error" not in answer, **answer})

    def _fault(self, fault, request):
        if fault == "ratelimited":
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "7"}
            )
        if fault == "cut":
            request.transport.abort()
            return web.Response()
        if isinstance(fault, int):
            return web.Response(
                status=fault, text="<html>upstream</html>", content_type="text/html"
            )
        return web.json_response({"ok": False, "error": fault})

    def auth_test(self, _):
        return {"user_id": BOT, "team_id": TEAM}

    def chat_postmessage(self, body):
        room = self.rooms.get(body.get("channel"))
        if room is None:
            return {"error": "channel_not_found"}
        wrong = check(body)
        if wrong:
            return {"error": wrong}
        thread = body.get("thread_ts")
        if thread and not any(m["ts"] == thread for m in room):
            return {"error": "thread_not_found"}
        self.count += 1
        message = {**body, "ts": f"1773458000.{self.count:06}", "user": BOT, "edits": 0}
        room.append(message)
        return {"channel": body["channel"], "ts": message["ts"]}

    def chat_update(self, body):
        for message in self.rooms.get(body["channel"], []):
            if message["ts"] == body["ts"]:
                wrong = check(body)
                if wrong:
                    return {"error": wrong}
                message.update(body, edits=message["edits"] + 1)
                return {"ts": body["ts"]}
        return {"error": "message_not_found"}

    def chat_postephemeral(self, body):
        if body["channel"] not in self.rooms or not mrkdwn(body["text"]):
            return {"error": "channel_not_found"}
        self.whispers.append((body["user"], body["text"]))
        return {"message_ts": "1.0"}

    def conversations_history(self, body):
        found = [m for m in self.rooms[body["channel"]] if not m.get("thread_ts")]
        return {"messages": [m for m in found if float(m["ts"]) >= float(body["oldest"])][::-1]}

    def conversations_replies(self, body):
        thread = body["ts"]
        room = self.rooms[body["channel"]]
        return {"messages": [m for m in room if thread in (m["ts"], m.get("thread_ts"))]}

    def views_open(self, body):
        view = body["view"]
        title = view["title"]["text"]
        if len(title) > 24 or len(view.get("private_metadata", "")) > 3000:
            return {"error": "invalid_arguments"}
        wrong = check_blocks(view["blocks"])
        if wrong:
            return {"error": wrong}
        self.views.append(view)
        return {"view": view}

    def apps_connections_open(self, _):
        return {"url": self.url.replace("http", "ws", 1) + "/socket"}

    async def socket(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": 1})
        self.changed.set()
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.acks.append(json.loads(message.data))
                self.changed.set()
        return socket

    def messages(self, room=ROOM, thread=None):
        """What stands in a room, or in a thread of it."""
        return [m for m in self.rooms.get(room, []) if m.get("thread_ts") == thread]

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await asyncio.wait_for(self.changed.wait(), 10)


def check(message):
    """Slack's complaint about a message, or nothing."""
    if not message.get("text"):
        return "no_text"
    if len(message["text"]) > 40_000:
        return "msg_too_long"
    if not mrkdwn(message["text"]):
        return "invalid_text_of_the_test"
    return check_blocks(message.get("blocks", []))


def check_blocks(blocks):
    """Slack's limits of blocks."""
    if len(blocks) > 50:
        return "invalid_blocks"
    for block in blocks:
        texts = [block.get("text"), *block.get("elements", [])]
        for text in (item for item in texts if item and "text" in item):
            words = text["text"]["text"] if isinstance(text["text"], dict) else text["text"]
            limit = {"header": 150, "actions": 75}.get(block["type"], 3000)
            if not words or len(words) > limit:
                return "invalid_blocks"
            if text.get("type") == "mrkdwn" and not mrkdwn(words):
                return "invalid_mrkdwn_of_the_test"
        for element in block.get("elements", []):
            if len(element.get("value", "")) > 2000:
                return "invalid_blocks"
    return ""


def mrkdwn(text):
    """Whether nothing in it is a special character of Slack's but what we mean to be one."""
    rest = re.sub(
        r"<(https?://[^<>|\s]+(\|[^<>]*)?|!date\^\d+\^[^<>]*\|[^<>]*|@[UW][A-Z0-9]+)>", "", text
    )
    rest = re.sub(r"^> ", "", rest, flags=re.MULTILINE)
    return not re.search(r"&(?!amp;|lt;|gt;)|[<>]", rest)


def signed(body, at, secret=SIGNING_SECRET):
    """The headers of a request that Slack signs at this time."""
    stamp = str(int(at.timestamp()))
    text = b"v0:" + stamp.encode() + b":" + body
    digest = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def mention(text, ts="1773458500.000001", user="U0ALICE", room=ROOM, thread=None, **more):
    """Somebody says something to us, or in a room; the envelope of the event."""
    event = {"type": "app_mention", "user": user, "channel": room, "ts": ts, "text": text, **more}
    if thread:
        event["thread_ts"] = thread
    return {"type": "event_callback", "team_id": TEAM, "event_id": f"Ev{ts}", "event": event}


def message(text, **more):
    """A message that mentions nobody of us."""
    return mention(text, **{"type": "message", "channel_type": "channel", **more})


def click(action, value, user="U0ALICE", trigger="trigger.1"):
    """Somebody presses a button."""
    return {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": user},
        "trigger_id": trigger,
        "container": {"channel_id": ROOM, "message_ts": "1.1"},
        "actions": [{"action_id": action, "value": value}],
    }


def submission(view, user="U0ALICE", why=""):
    """Somebody sends the form that was opened."""
    values = {"why": {"text": {"value": why or None}}}
    return {
        "type": "view_submission",
        "team": {"id": TEAM},
        "user": {"id": user},
        "view": {**view, "state": {"values": values}},
    }


@asynccontextmanager
async def workspace():
    """On a free port."""
    played = Workspace()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", played.call)
    app.router.add_get("/socket", played.socket)
    async with serving(app) as url:
        played.url = url
        yield played
