"""`tools`: the tool server alone, for any MCP client; with a policy also to change things."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon.errors import ConfigError


def tools(
    context: typer.Context,
    transport: Annotated[str, typer.Option(help="stdio or http.")] = "stdio",
    phase: Annotated[
        str, typer.Option(help="investigate or remediate; with a policy remediate.")
    ] = "",
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Lets it write what this policy lets happen alone, while its alerts fire."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Its own settings, a JSON file.")] = None,
) -> None:
    """The tool server alone, for any MCP client; further options go to it (see `sre-tools --help`)."""
    default = "investigate" if policy is None else "remediate"
    arguments = ["--transport", transport, "--phase", phase or default, *context.args]
    arguments += ["--config", str(config)] if config is not None else []
    command = [sys.executable, "-m", "mcp_tools", *arguments]
    if policy is None:
        os.execv(sys.executable, command)  # noqa: S606 - an argument vector of ours, no shell
    raise typer.Exit(asyncio.run(_under(policy, config, command)))


async def _under(policy: Path, config: Path | None, command: Sequence[str]) -> int:
    """Start the server with a gate of its own in this process; its exit code."""
    from mcp_tools import settings
    from mcp_tools.errors import SettingsError
    from sre_daemon.clock import SystemClock
    from sre_daemon.domain.sender import DEFAULT
    from sre_daemon.executor.alone import AloneGate
    from sre_daemon.executor.guardrails import GuardrailFile
    from sre_daemon.observe import Observer
    from sre_daemon.policy.source import PolicyFile

    try:
        known = settings.load(config)
    except SettingsError as failure:
        raise ConfigError(failure.reason, failure.hint) from failure
    if known.host is not None:
        raise ConfigError(
            "--policy and a host for the tools exclude each other",
            "start the host itself with a gate, or leave `host` out of the settings",
        )
    file, token, clock = PolicyFile(policy), secrets.token_urlsafe(32), SystemClock()
    file.read()
    clusters = {DEFAULT: [str(url) for url in known.alertmanagers]}
    seconds = known.prometheus.timeout_seconds
    with tempfile.TemporaryDirectory(prefix="sre-tools-") as folder:
        socket = Path(folder) / "gate.sock"
        async with Observer(str(known.prometheus.url), clusters, seconds, clock) as observer:
            gate = AloneGate(token, file, GuardrailFile(known.guardrails), observer, clock, _told)
            async with await gate.listen(socket):
                child = await asyncio.create_subprocess_exec(
                    *command,
                    *("--gate-socket", str(socket), "--die-with-parent"),
                    env={**settings.environment_with(token)},
                )
                return await child.wait()


def _told(text: str) -> None:
    sys.stderr.write(f"sre-daemon tools: {text}\n")
