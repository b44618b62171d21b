"""The systems that the tools look at."""

from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl

from mcp_tools.settings.base import Group
from mcp_tools.settings.documents import secret_of


class PrometheusSettings(Group):
    """The Prometheus that is queried."""

    url: HttpUrl = HttpUrl("http://127.0.0.1:9090")
    """Base address."""
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    """How long one query may take."""


class RuntimeSettings(Group):
    """What runs the services."""

    kind: Literal["supervisor", "docker", "compose", "systemd", "none"] = "none"
    """`supervisor` talks to supervisord, `docker` and `compose` to a Docker Engine, `systemd` to
    systemctl; `none` has no logs and can restart nothing."""
    socket: Path | None = None
    """Unix socket of supervisord or of the Engine; the Engine's is /var/run/docker.sock by default."""
    host: str | None = Field(default=None, pattern=r"^tcp://[A-Za-z0-9.-]+:[0-9]{1,5}$")
    """An Engine's or proxy's address instead of a socket, e.g. tcp://docker-proxy:2375."""
    project: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Compose's project: only its containers exist for the tools."""
    file: Path | None = None
    """The Compose file that redeploys use."""
    env_file: Path | None = None
    """The file that fills the Compose file's variables; without one nothing does."""
    pinned: dict[str, str] = Field(default_factory=dict)
    """Files and their sha256; a redeploy is refused while one of them is another."""


class LokiSettings(Group):
    """A Loki that has the logs of the services."""

    url: HttpUrl
    """Base address."""
    label: str = Field(default="service_name", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    """The label whose value is the name of a service."""
    tenant: str = Field(default="", max_length=150, pattern=r"^[A-Za-z0-9_.|-]*$")
    """Tenant, or several with `|` between them."""
    token_file: Path | None = None
    """File with a bearer token."""
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    """How long one query may take."""

    def token(self) -> str:
        """What the token file has.

        Raises:
            SettingsError: it cannot be read.
        """
        return secret_of(self.token_file) if self.token_file is not None else ""
