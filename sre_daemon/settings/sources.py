"""Further places where the tools look: logs in Loki, a git log."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, HttpUrl

from sre_daemon.settings.base import Duration, Group


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
    timeout: Duration = timedelta(seconds=10)
    """How long one query may take."""

    def below(self, base: Path) -> "LokiSettings":
        """With a relative path made absolute."""
        if self.token_file is None:
            return self
        return self.model_copy(update={"token_file": base / self.token_file})
