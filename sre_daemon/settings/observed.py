"""The systems that are observed and repaired."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl

from sre_daemon.settings.base import Duration, Group


class PrometheusSettings(Group):
    """The Prometheus whose rules fire."""

    url: HttpUrl
    """Base address."""
    timeout: Duration = timedelta(seconds=10)
    """How long one query may take."""


class RuntimeSettings(Group):
    """What starts, restarts and logs the services."""

    kind: Literal["supervisor", "docker", "compose", "systemd", "none"] = "none"
    """`supervisor` talks to supervisord, `docker` and `compose` to a Docker Engine, `systemd` to
    systemctl; `none` has no logs and can restart nothing."""
    socket: Path | None = None
    """Unix socket of supervisord or of the Engine; the Engine's is /var/run/docker.sock by default."""
    host: str | None = Field(default=None, pattern=r"^tcp://[A-Za-z0-9.-]+:[0-9]{1,5}$")
    """An Engine's or proxy's address instead of a socket, e.g. tcp://docker-proxy:2375."""
    project: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Compose's project: only its containers exist for the daemon."""
    file: Path | None = None
    """The Compose file that redeploys use."""
    env_file: Path | None = None
    """The file that fills the Compose file's variables; without one nothing does."""
    pinned: dict[Path, str] = Field(default_factory=dict)
    """Files and their sha256; a redeploy is refused while one of them is another."""

    def below(self, base: Path) -> "RuntimeSettings":
        """The same with relative paths taken from `base`."""
        paths = {name: getattr(self, name) for name in ("socket", "file", "env_file")}
        update: dict[str, object] = {
            name: base / path for name, path in paths.items() if path is not None
        }
        update["pinned"] = {base / path: digest for path, digest in self.pinned.items()}
        return self.model_copy(update=update)
