"""Streamable HTTP at `/mcp`: on loopback unless said otherwise, with a token, for known origins only."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from mcp_tools.errors import SettingsError
from mcp_tools.guard import Guard
from mcp_tools.server.dispatcher import build
from mcp_tools.settings import HTTP_TOKEN_VARIABLE, ToolSettings
from mcp_tools.spec import Phase
from mcp_tools.tools.context import opened

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 4 << 20
MAX_SESSIONS = 100
MAX_CONNECTIONS = 200
IDLE_SECONDS = 30
UNAUTHORIZED = b'{"error": {"code": "unauthorized", "message": "a bearer token is needed"}}\n'


@dataclass(frozen=True, slots=True)
class Front:
    """Where to listen and whom to answer. `hosts` and `origins` come on top of the loopback ones."""

    host: str = "127.0.0.1"
    port: int = 9912
    token: str = ""
    anonymous: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Refuse to listen without a token, unless on loopback and said so.

        Raises:
            SettingsError: with what to set.
        """
        if self.token:
            return
        if not self.anonymous or not self.loopback:
            raise SettingsError(
                "The HTTP transport has no token.",
                f"Set {HTTP_TOKEN_VARIABLE}, or give --anonymous on a loopback address.",
            )


class Authenticated:
    """Lets only those through that bring the token; nothing of the body is read before."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the server."""
        if scope["type"] != "http" or self._known(scope):
            await self._app(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"www-authenticate", b"Bearer"),
            (b"content-length", str(len(UNAUTHORIZED)).encode()),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": UNAUTHORIZED})

    def _known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


async def http(settings: ToolSettings, guard: Guard, phase: Phase, front: Front) -> None:
    """Serve until interrupted.

    Raises:
        SettingsError: nobody would have to show a token.
    """
    front.check()
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    # Against DNS rebinding: a browser names the page's host and origin, whatever it resolves to.
    security = TransportSecuritySettings(
        allowed_hosts=["127.0.0.1:*", "localhost:*", "[::1]:*", *front.hosts],
        allowed_origins=[
            *("http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"),
            *front.origins,
        ],
    )
    async with opened(settings, guard, phase) as context:
        app: App = build(context, phase).streamable_http_app(
            host=front.host,
            transport_security=security,
            max_request_body_size=MAX_BODY_BYTES,
            max_sessions=MAX_SESSIONS,
        )
        if front.token:
            app = Authenticated(app, front.token)
        config = uvicorn.Config(
            app,
            host=front.host,
            port=front.port,
            log_level="warning",
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=5,
        )
        await uvicorn.Server(config).serve()
