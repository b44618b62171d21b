"""Other people's MCP servers, whose tools the tool server offers under its own rules."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, StringConstraints, model_validator

from sre_daemon.settings.base import Duration, Group

# No underscore in a server's name, so that NAME__TOOL can be read in one way only.
ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,24}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class AttachedSettings(Group):
    """One server, and what each of its tools is. A tool that is not named is off."""

    command: tuple[str, ...] = ()
    """Program and arguments of a server on stdio."""
    cwd: Path | None = None
    """Its working directory."""
    env: dict[str, str] = Field(default_factory=dict)
    """Its environment variables, besides HOME, LOGNAME, PATH, SHELL, TERM and USER."""
    env_files: dict[str, Path] = Field(default_factory=dict)
    """Variables whose values are read from files, for secrets."""
    url: HttpUrl | None = None
    """Address of a server on streamable HTTP, instead of a command."""
    header_files: dict[str, Path] = Field(default_factory=dict)
    """HTTP headers whose values are read from files, e.g. Authorization."""
    tools: dict[ToolName, Literal["read", "write", "off"]] = Field(default_factory=dict)
    """`read` may be called by an investigation; `write` is the effect `mcp.call` and needs a policy."""
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """What the tools must look like; a wrong one is answered with the right one."""
    start: Duration = timedelta(seconds=8)
    """How long it may take to start."""
    timeout: Duration = timedelta(seconds=30)
    """How long one call may take."""

    @model_validator(mode="after")
    def one_way_in(self) -> "AttachedSettings":
        """Either is started, or is connected to."""
        if bool(self.command) == (self.url is not None):
            raise ValueError("give either command or url")
        return self

    def below(self, base: Path) -> "AttachedSettings":
        """With relative paths made absolute; a program without a slash is looked up, not one here."""
        program = self.command[:1]
        if program and "/" in program[0]:
            program = (str(base / program[0]),)
        return self.model_copy(
            update={
                "command": (*program, *self.command[1:]),
                "cwd": base / self.cwd if self.cwd is not None else None,
                "env_files": {name: base / path for name, path in self.env_files.items()},
                "header_files": {name: base / path for name, path in self.header_files.items()},
            }
        )

    def for_tools(self) -> dict[str, object]:
        """As the tool server reads it."""
        data = self.model_dump(mode="json", exclude={"start", "timeout"})
        return data | {
            "start_seconds": self.start.total_seconds(),
            "timeout_seconds": self.timeout.total_seconds(),
        }


def reading(attached: Mapping[str, AttachedSettings]) -> tuple[str, ...]:
    """The names of all attached tools that an investigation may call."""
    return tuple(
        f"{name}__{tool}"
        for name, server in attached.items()
        for tool, kind in server.tools.items()
        if kind == "read"
    )
