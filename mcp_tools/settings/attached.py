"""Other people's MCP servers."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, HttpUrl, StringConstraints, model_validator

from mcp_tools.settings.base import Group

# No underscore in a server's name, so that NAME__TOOL can be read in one way only.
ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,24}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class AttachedSettings(Group):
    """Another MCP server, and what each of its tools is. A tool that is not named is off."""

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
    """`read` may be called by an investigation; `write` is an effect and asks the gate."""
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """What the tools must look like; a wrong one is answered with the right one."""
    start_seconds: float = Field(default=8, gt=0, le=60)
    """How long it may take to start."""
    timeout_seconds: float = Field(default=30, gt=0, le=120)
    """How long one call may take."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.command) == (self.url is not None):
            raise ValueError("give either command or url")
        return self
