"""run_shell_command: a few documented command lines, carried out through the runtime without a shell."""

import asyncio
from collections.abc import Mapping

from pydantic import Field

from mcp_tools.effects import ServiceRedeploy, ServiceRestart, commands, document, to_json
from mcp_tools.effects.commands import Action, Command
from mcp_tools.errors import TargetUnavailable, ToolError
from mcp_tools.guard import Guardrails
from mcp_tools.runtimes import Status
from mcp_tools.spec import Input, Output, Part, Phase, ToolSpec, clip
from mcp_tools.tools import digest, records
from mcp_tools.tools.context import Context, shielded
from mcp_tools.tools.logs import CONTAINER_BUDGET, TAIL_BYTES

MAX_DETAIL = 300


class CommandInput(Input):
    """Arguments of run_shell_command."""

    command: str = Field(
        description="One of the documented forms, e.g. docker compose up -d api-server"
    )


class ServiceView(Part):
    """One service as the runtime sees it; `started_at` is ISO 8601 in UTC, null when it is down.

    `instance` names what runs, where the runtime has a name for it, and `made_at` is when that was
    made, where a redeploy makes a new one.
    """

    service: str
    running: bool
    started_at: str | None
    detail: str
    instance: str = ""
    made_at: str | None = None


class CommandOutput(Output):
    """Result of run_shell_command; `effect` is the wire form, null for a read."""

    command: str
    effect: dict[str, str] | None
    exit_code: int
    stdout: str
    stderr: str
    services: list[ServiceView]

    def render(self) -> str:
        """As a terminal would show it."""
        note = f"\n{self.stderr}" if self.stderr else ""
        return f"$ {self.command}\n{self.stdout}{note}\nexit code {self.exit_code}"


COMMAND = ToolSpec(
    name="run_shell_command",
    title="Restart, redeploy or list services",
    description=(
        "Run one of a few docker commands. No shell is involved and everything else is refused.\n"
        "- docker compose up -d api-server: redeploys; the service starts with the configuration as it "
        "is on disk now. This is how an edited value takes effect.\n"
        "- docker compose restart api-server (or docker restart api-server): stops and starts it as it "
        "is. In Docker a restart does NOT read changed environment files; use up -d after an edit.\n"
        "- docker compose ps [api-server]: is it running, and since when.\n"
        "- docker compose logs --tail 50 api-server.\n"
        "docker-compose and -f config/docker-compose.yml are accepted too. Use it after "
        "edit_config_file, or when a runbook says so. A redeploy is refused while the configuration "
        "breaks a guardrail, and happens only when the policy allows it now."
    ),
    input=CommandInput,
    output=CommandOutput,
    phase=Phase.REMEDIATE,
    destructive=True,
    idempotent=False,
    seconds=150,
)


async def run_shell_command(context: Context, arguments: CommandInput) -> CommandOutput:
    """Understand, check, ask the gate, and do it."""
    command = commands.read(arguments.command, context.settings.services)
    effect = command.effect
    if effect is not None:
        return await _change(context, arguments.command, effect)
    statuses: list[Status] = []
    if command.action is Action.LOGS:
        text = await _logs(context, command)
    else:
        names = [command.service] if command.service else list(context.settings.services)
        statuses = list(await asyncio.gather(*(_status(context, name) for name in names)))
        text = "\n".join(f"{item.service}  {item.detail}" for item in statuses)
    return _output(arguments.command, None, text, statuses)


async def _status(context: Context, name: str) -> Status:
    """A service that the runtime does not know is told as such; a silent runtime is an error."""
    try:
        return await context.runtime.status(name)
    except TargetUnavailable:
        raise
    except ToolError as failure:
        return Status(name, running=False, started_at=None, detail=str(failure))


async def _logs(context: Context, command: Command) -> str:
    tail = await context.runtime.logs(command.service, TAIL_BYTES)
    return "\n".join(digest.last(digest.safe(tail.lines), command.tail, CONTAINER_BUDGET))


async def _change(
    context: Context, command: str, effect: ServiceRestart | ServiceRedeploy
) -> CommandOutput:
    note = ""
    # Once the gate has said yes it counts on the effect: a cancelled call still ends what it began.
    async with context.writing, shielded():
        await asyncio.to_thread(check_files, context, context.guardrails())
        await context.guard.ask(COMMAND.name, [effect])
        if isinstance(effect, ServiceRedeploy):
            status, note = await _redeploy(context, effect.service)
        else:
            status = await context.runtime.restart(effect.service)
    verb = "redeployed" if isinstance(effect, ServiceRedeploy) else "restarted"
    text = f"{effect.service} {verb}: {status.detail}"
    return _output(command, to_json(effect), text, [status], note)


async def _redeploy(context: Context, service: str) -> tuple[Status, str]:
    """Redeploy, and record it whether or not the service came up: both explain what follows.

    Returns:
        The service, and what went wrong with the record, which does not undo the redeploy.
    """
    config: dict[str, dict[str, str]] = {}
    if context.settings.config_root is not None:
        config = await asyncio.to_thread(records.snapshot, context.files, service)
    try:
        status = await context.runtime.redeploy(service)
    except ToolError:
        await _record(context, service, "redeploy; the service did not come up", config)
        raise
    return status, await _record(context, service, "redeploy", config)


async def _record(
    context: Context, service: str, message: str, config: Mapping[str, Mapping[str, str]]
) -> str:
    path = context.settings.deployments
    if path is None:
        return ""
    time = context.now().isoformat()
    try:
        await asyncio.to_thread(records.record, path, time, service, message, config)
    except ToolError as failure:
        return str(failure)
    return ""


def check_files(context: Context, guardrails: Guardrails | None) -> None:
    """Refuse while a file on disk breaks its guardrails; a file that cannot be read breaks them too.

    Raises:
        ToolError: the file cannot be read as keys.
        Refused: naming the key.
    """
    for path in guardrails.files if guardrails is not None else ():
        file = context.files.read(path)
        if guardrails is not None and not context.puts_back(path, file.text):
            guardrails.check_document(path, document.parse(path, file.text))


def _output(
    command: str,
    effect: dict[str, str] | None,
    text: str,
    statuses: list[Status],
    note: str = "",
) -> CommandOutput:
    services = [
        ServiceView(
            service=item.service,
            running=item.running,
            started_at=item.started_at.isoformat() if item.started_at else None,
            detail=clip(item.detail, MAX_DETAIL),
            instance=item.instance,
            made_at=item.made_at.isoformat() if item.made_at else None,
        )
        for item in statuses
    ]
    return CommandOutput(
        command=command, effect=effect, exit_code=0, stdout=text, stderr=note, services=services
    )
