"""Starts the tool server: `python -m mcp_tools --phase investigate --config FILE.json`.

The MCP SDK is imported only after the arguments were read, so that mistakes are told at once.
"""

import argparse
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mcp_tools import relay, settings
from mcp_tools.errors import SettingsError, TargetUnavailable
from mcp_tools.guard import GateGuard, Guard, RefuseAll
from mcp_tools.spec import Phase

PR_SET_PDEATHSIG = 1


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(prog="mcp_tools", description="MCP tool server of sre-daemon")
    parser.add_argument("--phase", choices=[*Phase], default=Phase.INVESTIGATE.value)
    parser.add_argument("--transport", choices=["stdio", "http", "unix"], default="stdio")
    parser.add_argument(
        "--socket",
        type=Path,
        help="of the unix transport: each connection gets a server of its own",
    )
    web = parser.add_argument_group(
        "of the http transport",
        f"The token that clients must send is in {settings.HTTP_TOKEN_VARIABLE}.",
    )
    web.add_argument("--host", default="127.0.0.1", help="by default only this machine can connect")
    web.add_argument("--port", type=int, default=9912)
    web.add_argument("--anonymous", action="store_true", help="no token; on loopback only")
    web.add_argument("--allow-host", action="append", default=[], help="further Host, as name:port")
    web.add_argument("--allow-origin", action="append", default=[], help="further Origin of a page")
    parser.add_argument(
        "--config", type=Path, help="JSON file; by default the environment and .env"
    )
    parser.add_argument("--gate-socket", type=Path, help="asked before every write")
    parser.add_argument("--die-with-parent", action="store_true")
    return parser.parse_args(argv)


def run(argv: Sequence[str] | None = None) -> None:
    """The command; exits with 2 when the settings are wrong."""
    options = arguments(argv)
    if options.die_with_parent:
        die_with_parent()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        configured = settings.load(options.config)
        if options.transport == "unix":
            _host(options)
        if configured.host is not None:
            relay.relay(configured.host, Phase(options.phase), settings.token())
            return
        guard = choose_guard(options.gate_socket, settings.token())
        serve(options, configured, guard)
    except (SettingsError, TargetUnavailable) as failure:
        sys.stderr.write(f"mcp_tools: {failure}\n")
        sys.exit(2 if isinstance(failure, SettingsError) else 3)


def _host(options: argparse.Namespace) -> NoReturn:
    """Serve connections of the unix transport until killed; every server reads the settings anew."""
    if options.socket is None:
        raise SettingsError("The unix transport needs --socket.")
    passed: list[str] = []
    for name in ("config", "gate_socket"):
        if (value := getattr(options, name)) is not None:
            passed += [f"--{name.replace('_', '-')}", str(value)]
    relay.host(options.socket, relay.starter(passed, settings.environment_with))


def choose_guard(socket: Path | None, token: str) -> Guard:
    """The gate when both halves of it were given, else the guard that refuses."""
    return GateGuard(socket, token) if socket is not None and token else RefuseAll()


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends.

    A parent that died before this call is noticed by the changed parent id.
    """
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def serve(options: argparse.Namespace, configured: settings.ToolSettings, guard: Guard) -> None:
    """Serve until the client leaves.

    Raises:
        SettingsError: the settings do not fit together.
    """
    import anyio

    from mcp_tools import server

    if options.transport == "stdio":
        anyio.run(server.stdio, configured, guard, Phase(options.phase))
    else:
        front = server.Front(
            host=options.host,
            port=options.port,
            token=settings.http_token(),
            anonymous=options.anonymous,
            hosts=tuple(options.allow_host),
            origins=tuple(options.allow_origin),
        )
        anyio.run(server.http, configured, guard, Phase(options.phase), front)


if __name__ == "__main__":
    run()
