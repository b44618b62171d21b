"""The settings file as a whole, and how it is read. Relative paths are relative to the file."""

from pathlib import Path

from pydantic import Field, HttpUrl, field_validator

from sre_daemon import documents
from sre_daemon.domain.sender import DEFAULT
from sre_daemon.settings.agent import AgentSettings
from sre_daemon.settings.attached import AttachedSettings, ServerName
from sre_daemon.settings.base import Group
from sre_daemon.settings.channels import NotifySettings, beside
from sre_daemon.settings.console import ConsoleSettings
from sre_daemon.settings.intake import (
    CorrelationSettings,
    ReceiverSettings,
    ReconcileSettings,
    WatchdogSettings,
)
from sre_daemon.settings.observed import PrometheusSettings, RuntimeSettings
from sre_daemon.settings.people import PersonSettings
from sre_daemon.settings.senders import TenantSettings
from sre_daemon.settings.slack import SlackSettings
from sre_daemon.settings.sources import LokiSettings
from sre_daemon.settings.traces import TraceSettings
from sre_daemon.settings.trust import ApprovalSettings, AuditSettings, BrakeSettings
from sre_daemon.settings.work import RetentionSettings, WorkerSettings

PATH_FIELDS = (
    "tool_host",
    "data_dir",
    "config_root",
    "deployments",
    "policy",
    "guardrails",
    "health",
    "repository",
)


class Settings(Group):
    """The settings file."""

    listen: str = Field(default="127.0.0.1:9911", pattern=r"^[^\s:]+:\d{1,5}$")
    """Address and port of the HTTP server; port 0 picks a free one."""
    data_dir: Path
    """SQLite file, post-mortems, transcripts, sockets: everything the daemon itself writes."""
    store: str = Field(default="sqlite", pattern=r"^(sqlite|memory|postgres(ql)?://\S+)$")
    """Where incidents live: `sqlite` (a file in data_dir), `postgresql://USER@HOST/DATABASE` for
    several replicas, or `memory` (gone with the process)."""
    prometheus: PrometheusSettings
    """Where metrics and rules are read."""
    alertmanagers: tuple[HttpUrl, ...] = ()
    """Every Alertmanager of the cluster, for the state of alerts and silences."""
    tenants: tuple[TenantSettings, ...] = ()
    """Further clusters, each with a token of its own; the first one is the tenant `default`."""
    config_root: Path | None = None
    """The tree whose `config/` folder the tools may see."""
    runtime: RuntimeSettings = RuntimeSettings()
    """What runs the services."""
    tool_host: Path | None = None
    """Unix socket of a host that runs the tools as another user or in another container
    (`sre-tools --transport unix`). The gate then listens beside it, as `gate.sock`, for the group."""
    services: tuple[str, ...] = ()
    """Services that may be logged, restarted and redeployed; no other name is accepted."""
    logged_by: dict[str, str] = Field(default_factory=dict)
    """Services that have no log of their own, and the service whose log has their lines."""
    loki: LokiSettings | None = None
    """Where the tools read logs; without one, from the runtime."""
    tools: dict[ServerName, AttachedSettings] = Field(default_factory=dict)
    """Further MCP servers by name; their tools are called NAME__TOOL."""
    repository: Path | None = None
    """A git repository whose log tells the tools what changed, e.g. the one of the configuration."""
    deployments: Path | None = None
    """JSON-lines file of recorded deploys; redeploys by the daemon are added to it."""
    policy: Path | None = None
    """The policy file; without one nothing is ever changed."""
    guardrails: Path | None = None
    """Value ranges per configuration key that hold whatever the policy says."""
    health: Path | None = None
    """Queries and thresholds of `get_service_health`; without one the built-in ones are used."""
    runbooks: tuple[Path, ...] = ()
    """Files or folders of runbooks."""
    agent: AgentSettings = AgentSettings()
    """The investigator."""
    receiver: ReceiverSettings = ReceiverSettings()
    """The webhook receiver."""
    correlation: CorrelationSettings = CorrelationSettings()
    """How alerts become incidents."""
    reconcile: ReconcileSettings = ReconcileSettings()
    """The comparison with what Alertmanager has."""
    watchdog: WatchdogSettings = WatchdogSettings()
    """The sign of life of the alerting path."""
    retention: RetentionSettings = RetentionSettings()
    """How long is kept what is over."""
    worker: WorkerSettings = WorkerSettings()
    """The worker pool."""
    console: ConsoleSettings = ConsoleSettings()
    """The console."""
    notify: NotifySettings = NotifySettings()
    """Who is told, besides the log and the console."""
    slack: SlackSettings = SlackSettings()
    """Who may ask and answer in Slack."""
    approvals: ApprovalSettings = ApprovalSettings()
    """What people are asked."""
    brake: BrakeSettings = BrakeSettings()
    """When the daemon pauses by itself."""
    audit: AuditSettings = AuditSettings()
    """The audit log."""
    people: tuple[PersonSettings, ...] = ()
    """Who may use the API and the console, besides the holder of SRE_DAEMON_API_TOKEN."""

    @field_validator("people")
    @classmethod
    def distinct_names(cls, people: tuple[PersonSettings, ...]) -> tuple[PersonSettings, ...]:
        """A name is recorded with what somebody did, so it must mean one person."""
        names = [person.name for person in people]
        if len(names) != len(set(names)):
            raise ValueError("two people have the same name")
        return people

    @field_validator("tenants")
    @classmethod
    def distinct_tenants(cls, tenants: tuple[TenantSettings, ...]) -> tuple[TenantSettings, ...]:
        """Alerts of two clusters with one name would be taken for each other."""
        names = [DEFAULT, *(tenant.name for tenant in tenants)]
        if len(names) != len(set(names)):
            raise ValueError(f"two clusters have the same name, or one is called {DEFAULT}")
        return tenants

    traces: TraceSettings = TraceSettings()
    """Spans for an OpenTelemetry collector."""

    @property
    def clusters(self) -> dict[str, list[str]]:
        """The addresses of the Alertmanagers by tenant."""
        first = {DEFAULT: [str(url) for url in self.alertmanagers]}
        return first | {
            item.name: [str(url) for url in item.alertmanagers] for item in self.tenants
        }

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])


def load(path: Path) -> Settings:
    """Read the settings file; relative paths become absolute.

    Raises:
        ConfigError: naming file, line and key.
    """
    settings = documents.load(path, Settings)
    base = path.resolve().parent
    update: dict[str, object] = {}
    for name in PATH_FIELDS:
        value = getattr(settings, name)
        if value is not None:
            update[name] = base / value
    update["runbooks"] = tuple(base / item for item in settings.runbooks)
    update["tenants"] = tuple(
        item.model_copy(update={"token_file": base / item.token_file}) for item in settings.tenants
    )
    update["people"] = tuple(
        item.model_copy(update={"token_file": base / item.token_file}) for item in settings.people
    )
    update["notify"] = beside(settings.notify, base)
    update["runtime"] = settings.runtime.below(base)
    update["tools"] = {name: server.below(base) for name, server in settings.tools.items()}
    if settings.loki is not None:
        update["loki"] = settings.loki.below(base)
    return settings.model_copy(update=update)
