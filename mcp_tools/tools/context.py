"""What the tools work with: settings, the systems they look at, and the guard they ask."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import anyio

from mcp_tools import redaction
from mcp_tools.clients.alertmanager import Alertmanager
from mcp_tools.clients.attached import Attached
from mcp_tools.clients.confluence import Confluence
from mcp_tools.clients.files import ConfigTree
from mcp_tools.clients.loki import Loki
from mcp_tools.clients.pagerduty import PagerDuty
from mcp_tools.clients.prometheus import Prometheus
from mcp_tools.errors import ToolError
from mcp_tools.guard import Guard, Guardrails
from mcp_tools.runtimes import Runtime, build
from mcp_tools.settings import ToolSettings, masking_key
from mcp_tools.spec import Phase


def utc_now() -> datetime:
    """The wall-clock time."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock of the tool server


@dataclass(slots=True)
class Context:
    """One per process. `investigated` are the runbooks whose first phase was read in it.

    `restoring`: the process takes an earlier change back, so the exact content of a kept copy is
    accepted although it breaks the guardrails. Without that, a wrong value that was there before
    a repair could not be put back when the repair turns out not to help.
    """

    settings: ToolSettings
    prometheus: Prometheus
    alertmanager: Alertmanager
    runtime: Runtime
    guard: Guard
    loki: Loki | None = None
    pagerduty: PagerDuty | None = None
    confluence: Confluence | None = None
    attached: Sequence[Attached] = ()
    restoring: bool = False
    now: Callable[[], datetime] = utc_now
    # Two writes at once could each see the file as it was before the other.
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    investigated: set[str] = field(default_factory=set)

    @property
    def files(self) -> ConfigTree:
        """The `config/` tree.

        Raises:
            ToolError: none is configured.
        """
        if self.settings.config_root is None:
            raise ToolError("No configuration tree is configured.", "Set config_root.")
        return ConfigTree(self.settings.config_root, self.settings.backup_folder)

    def puts_back(self, path: str, text: str) -> bool:
        """Whether this is the taking back of a change, and the text exactly what was there before."""
        return self.restoring and self.files.kept(path, text)

    def guardrails(self) -> Guardrails | None:
        """The guardrails as they are on disk now; None when no file is configured.

        Raises:
            SettingsError: the file is wrong or gone, so nothing may be written.
        """
        return Guardrails.load(self.settings.guardrails)


@asynccontextmanager
async def shielded() -> AsyncIterator[None]:
    """What a cancelled or timed-out call still does to its end: asking the gate, and the effect.

    The parts inside have time-outs of their own.
    """
    with anyio.CancelScope(shield=True):
        yield


@asynccontextmanager
async def opened(settings: ToolSettings, guard: Guard, phase: Phase) -> AsyncIterator[Context]:
    """A context whose connections are closed at the end.

    Raises:
        SettingsError: the settings do not fit together.
    """
    redaction.use(partial(masking_key, settings.key_file))
    async with AsyncExitStack() as stack:
        prometheus = Prometheus(settings.prometheus)
        stack.push_async_callback(prometheus.aclose)
        alertmanager = Alertmanager([str(url) for url in settings.alertmanagers])
        stack.push_async_callback(alertmanager.aclose)
        runtime = build(settings)
        stack.push_async_callback(runtime.aclose)
        loki = Loki(settings.loki) if settings.loki is not None else None
        if loki is not None:
            stack.push_async_callback(loki.aclose)
        pagerduty = PagerDuty(settings.pagerduty) if settings.pagerduty is not None else None
        confluence = Confluence(settings.confluence) if settings.confluence is not None else None
        for people in (pagerduty, confluence):
            if people is not None:
                stack.push_async_callback(people.aclose)
        attached = [Attached(name, server) for name, server in settings.tools.items()]
        if attached:
            await stack.enter_async_context(_served(attached))
        yield Context(
            settings,
            prometheus,
            alertmanager,
            runtime,
            guard,
            loki=loki,
            pagerduty=pagerduty,
            confluence=confluence,
            attached=attached,
            restoring=phase is Phase.RESTORE,
        )


@asynccontextmanager
async def _served(attached: Sequence[Attached]) -> AsyncIterator[None]:
    """The attached servers, each in a task of its own, until the block ends."""
    async with anyio.create_task_group() as group:
        for server in attached:
            group.start_soon(server.serve)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
