"""The one door to Slack's Web API: errors as ours, and no faster than Slack allows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from sre_daemon.clock import Clock
from sre_daemon.errors import NotifyError, NotifyRefused

SECONDS = 10
# Slack takes one message a second per room, and a few more at once.
BURST = 5.0
PER_SECOND = 1.0
LONGEST = 3600.0
# The same message will never be taken.
REFUSED = frozenset(
    {
        *("msg_too_long", "msg_blocks_too_long", "no_text", "invalid_blocks", "invalid_arguments"),
        *("invalid_blocks_format", "too_many_attachments", "invalid_metadata_format"),
    }
)
GONE = frozenset({"message_not_found", "thread_not_found", "cant_update_message"})
HINTS = {
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "use the id of the channel, and invite the app",
    "is_archived": "choose another channel",
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "not_authed": "check SLACK_BOT_TOKEN",
    "account_inactive": "install the app again, and set the new SLACK_BOT_TOKEN",
    "token_revoked": "install the app again, and set the new SLACK_BOT_TOKEN",
    "missing_scope": "compare the scopes of the app with its manifest in docs/slack.md",
}

Blocks = Sequence[Mapping[str, object]]


class MessageGone(NotifyError):
    """Somebody deleted the message, or what it stood in."""


@dataclass(frozen=True, slots=True)
class Myself:
    """Who the token is."""

    user: str
    team: str


class Slack:
    """One app in one workspace. Every method raises NotifyError when it does not work."""

    def __init__(self, token: str, url: str, clock: Clock) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS))
        self._web = AsyncWebClient(
            token,
            base_url=f"{url.rstrip('/')}/",
            timeout=SECONDS,
            session=self._http,
            # Whoever calls knows whether the same may be said twice.
            retry_handlers=[],
        )
        # As everywhere: a proxy is used when the settings say so, not when the environment does.
        self._web.proxy = None
        self._clock = clock
        self._pace = Pace(clock)
        self._myself: Myself | None = None

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def post(
        self,
        room: str,
        text: str,
        blocks: Blocks = (),
        *,
        thread: str = "",
        broadcast: bool = False,
        key: str = "",
    ) -> str:
        """Post a message; its `ts`. With a `key` it is found again by `find`."""
        body: dict[str, object] = {"channel": room, "text": text, **QUIET}
        if blocks:
            body["blocks"] = list(blocks)
        if thread:
            body |= {"thread_ts": thread, "reply_broadcast": broadcast}
        if key:
            body["metadata"] = {"event_type": "sre_daemon", "event_payload": {"key": key}}
        await self._pace.turn(room)
        return str((await self._call("chat.postMessage", body))["ts"])

    async def update(self, room: str, ts: str, text: str, blocks: Blocks = ()) -> None:
        """Replace a message of ours; raises MessageGone."""
        body = {"channel": room, "ts": ts, "text": text, "blocks": list(blocks), **QUIET}
        await self._pace.turn(room)
        await self._call("chat.update", body)

    async def whisper(self, room: str, user: str, text: str, thread: str = "") -> None:
        """Say something that only one person sees."""
        body: dict[str, object] = {"channel": room, "user": user, "text": text, **QUIET}
        await self._call("chat.postEphemeral", body | ({"thread_ts": thread} if thread else {}))

    async def find(self, room: str, key: str, *, thread: str = "", oldest: float = 0.0) -> str:
        """The `ts` of the message that was posted with this key, or empty."""
        body: dict[str, object] = {
            "channel": room,
            "limit": 200,
            "include_all_metadata": True,
            "oldest": f"{oldest:.6f}",
        }
        method = "conversations.replies" if thread else "conversations.history"
        found = await self._call(method, body | ({"ts": thread} if thread else {}), form=True)
        for message in found.get("messages", ()):
            payload = message.get("metadata", {}).get("event_payload", {})
            if payload.get("key") == key:
                return str(message["ts"])
        return ""

    async def open_view(self, trigger: str, view: Mapping[str, object]) -> None:
        """Show a form to whoever has just pressed a button."""
        await self._call("views.open", {"trigger_id": trigger, "view": dict(view)})

    async def myself(self) -> Myself:
        """Who the token is; asked once."""
        if self._myself is None:
            found = await self._call("auth.test", {})
            self._myself = Myself(str(found["user_id"]), str(found["team_id"]))
        return self._myself

    async def socket(self, app_token: str) -> aiohttp.ClientWebSocketResponse:
        """A connection over which events come; raises NotifyError."""
        found = await self._call("apps.connections.open", {}, token=app_token)
        try:
            wait = aiohttp.ClientWSTimeout(ws_close=2.0)
            return await self._http.ws_connect(str(found["url"]), heartbeat=20.0, timeout=wait)
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            raise NotifyError(f"Slack's socket: {type(failure).__name__}") from failure

    async def _call(
        self, method: str, body: Mapping[str, object], *, token: str = "", form: bool = False
    ) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else None
        try:
            # Reading methods take no JSON.
            response = await (
                self._web.api_call(method, params=_plain(body), headers=headers)
                if form
                else self._web.api_call(method, json=dict(body), headers=headers)
            )
            data = response.data
            if not isinstance(data, dict):
                raise NotifyError(f"Slack's answer to {method} cannot be read")
            return data
        except SlackApiError as failure:
            raise _ours(method, failure) from failure
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as failure:
            raise NotifyError(f"no answer from Slack: {type(failure).__name__}") from failure
        except (ValueError, AttributeError, TypeError) as failure:
            raise NotifyError(f"Slack's answer to {method} cannot be read") from failure


# Nothing in a text is looked for: no links, no names, no previews of pages.
QUIET: Mapping[str, object] = {
    "parse": "none",
    "link_names": False,
    "unfurl_links": False,
    "unfurl_media": False,
}


def _plain(body: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in body.items()
    }


def _ours(method: str, failure: SlackApiError) -> NotifyError:
    response: Any = failure.response
    data = getattr(response, "data", None)
    code = data.get("error", "") if isinstance(data, dict) else ""
    status = getattr(response, "status_code", 0)
    if code == "ratelimited" or status == 429:
        return NotifyError("Slack asks for a pause", retry_after=_asked(response))
    if code in GONE:
        return MessageGone(f"Slack: {code}")
    if code in REFUSED:
        return NotifyRefused(f"Slack refuses {method}: {code}")
    return NotifyError(f"Slack: {method}: {code or f'answered {status}'}", HINTS.get(code, ""))


def _asked(response: Any) -> float:
    try:
        asked = float(response.headers.get("Retry-After", ""))
    except (ValueError, AttributeError, TypeError):
        return 1.0
    return min(LONGEST, max(1.0, asked))


class Pace:
    """Lets through one call per second and room, and a few at once after a rest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free: dict[str, float] = {}
        self._turn = asyncio.Lock()

    async def turn(self, room: str) -> None:
        """Wait for it."""
        async with self._turn:
            now = self._clock.monotonic()
            # A room that is at rest needs no memory.
            self._free = {name: at for name, at in self._free.items() if at > now}
            mine = self._free.get(room, now) + 1 / PER_SECOND
            self._free[room] = mine
        early = mine - now - BURST
        if early > 0:
            await self._clock.sleep(early)
