"""The settings as a whole, and how they are read: a JSON file, or the environment and `.env`."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, HttpUrl

from mcp_tools.errors import SettingsError
from mcp_tools.settings.attached import AttachedSettings, ServerName
from mcp_tools.settings.base import Group
from mcp_tools.settings.documents import read, validate
from mcp_tools.settings.environment import from_environment
from mcp_tools.settings.observed import LokiSettings, PrometheusSettings, RuntimeSettings
from mcp_tools.settings.people import ConfluenceSettings, PagerDutySettings


class ToolSettings(Group):
    """Everything the tools may see and touch."""

    host: Path | None = None
    """Unix socket of a host (`--transport unix`) that runs the tools as another user or in another
    container. Its own settings count then, and nothing else in this file."""
    prometheus: PrometheusSettings = PrometheusSettings()
    """Where metrics, rules and pending alerts are read."""
    alertmanagers: tuple[HttpUrl, ...] = ()
    """Where silences and inhibitions are read."""
    config_root: Path | None = None
    """The tree whose `config/` folder may be read, and edited within the guardrails."""
    runtime: RuntimeSettings = RuntimeSettings()
    """What runs the services."""
    loki: LokiSettings | None = None
    """Where logs are read; without one, from the runtime."""
    tools: dict[ServerName, AttachedSettings] = Field(default_factory=dict)
    """Further MCP servers by name; their tools are called NAME__TOOL."""
    pagerduty: PagerDutySettings | None = None
    """PagerDuty; with it four more tools exist."""
    confluence: ConfluenceSettings | None = None
    """Confluence; with it three more tools exist, and post-mortems are written there."""
    repository: Path | None = None
    """A git repository whose log says what changed, e.g. the one of the configuration."""
    services: tuple[str, ...] = ()
    """Services that may be logged, restarted and redeployed; no other name is accepted."""
    logged_by: dict[str, str] = Field(default_factory=dict)
    """Services that have no log of their own, and the service whose log has their lines."""
    health: Path | None = None
    """Queries and thresholds of get_service_health; without one the built-in ones are used."""
    runbooks: tuple[Path, ...] = ()
    """Files or folders of runbooks."""
    postmortems: Path | None = None
    """Folder that post-mortems are written to."""
    backups: Path | None = None
    """Folder for copies of edited files; by default `backups` beside the post-mortems."""
    deployments: Path | None = None
    """JSON-lines file of recorded deploys; a redeploy adds a line."""
    policy: Path | None = None
    """The policy file, offered as a resource; the gate decides by it, not this server."""
    redaction_key: Path | None = None
    """Key of the masks, made when it is not there; by default `redaction.key` beside the post-mortems."""
    guardrails: Path | None = None
    """Value ranges per configuration key that hold whatever the gate says."""

    @property
    def backup_folder(self) -> Path | None:
        """Where copies of edited files go, or None when neither folder is configured."""
        if self.backups is not None or self.postmortems is None:
            return self.backups
        return self.postmortems.parent / "backups"

    @property
    def key_file(self) -> Path | None:
        """Where the key of the masks is, or None when there is no place for one."""
        if self.redaction_key is not None or self.postmortems is None:
            return self.redaction_key
        return self.postmortems.parent / "redaction.key"


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> ToolSettings:
    """Read the JSON file, or without one the environment over `.env` in the working directory.

    Raises:
        SettingsError: naming the file or variable and what is wrong with it.
    """
    if path is None:
        return validate(from_environment(environ), ToolSettings, "the environment")
    try:
        data = json.loads(read(path))
    except ValueError as failure:
        raise SettingsError(f"{path}: not valid JSON: {failure}.") from None
    return validate(data, ToolSettings, str(path))
