"""All settings of the daemon, and the only reader of its environment.

Settings come from one YAML file; secrets only from the environment, from `NAME_FILE` variables
that name a file, or from a `.env` beside the settings file. Relative paths are relative to the
settings file. `docs/configuration.md` has the table, made from these classes.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SecretStr

from sre_daemon import documents
from sre_daemon.errors import ConfigError

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)", re.ASCII)


def parse_duration(value: object) -> object:
    """A Prometheus duration ("90s", "1h30m") as a timedelta; anything else is left to pydantic."""
    if isinstance(value, str) and value and DURATION.sub("", value) == "":
        parts = DURATION.findall(value)
        return timedelta(seconds=sum(int(number) * UNITS[unit] for number, unit in parts))
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a duration such as 30s, 5m or 1h30m")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Group(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PrometheusSettings(Group):
    """The Prometheus whose rules fire."""

    url: HttpUrl
    """Base address."""
    timeout: Duration = timedelta(seconds=10)
    """How long one query may take."""


class RuntimeSettings(Group):
    """What starts, restarts and logs the services."""

    kind: Literal["supervisor", "none"] = "none"
    """`supervisor` talks to supervisord; `none` has no logs and can restart nothing."""
    socket: Path | None = None
    """supervisord's Unix socket."""


class AgentSettings(Group):
    """The investigator."""

    engine: Literal["auto", "claude", "runbook"] = "auto"
    """`auto` is `claude` when ANTHROPIC_API_KEY is set, else `runbook`."""
    model: str = "claude-opus-4-6"
    """Name of the model, as the API knows it."""
    max_turns: int = Field(default=30, ge=2, le=200)
    """Model calls per investigation."""
    max_budget_usd: float = Field(default=2.0, gt=0)
    """Dollars per investigation; checked after each model call, so one call may overshoot."""
    deadline: Duration = timedelta(minutes=10)
    """Wall-clock limit of one investigation."""


class ReceiverSettings(Group):
    """The webhook receiver."""

    allow_anonymous: bool = False
    """Accept notifications without a token; only possible on a loopback address."""
    max_body_bytes: int = Field(default=32 << 20, ge=1 << 20)
    """Larger bodies are answered 413."""
    body_timeout: Duration = timedelta(seconds=10)
    """A body that is not complete by then is cut off."""
    max_pending: int = Field(default=2000, ge=1)
    """Requests waiting for the store; above it the answer is 503."""


class CorrelationSettings(Group):
    """How alerts become incidents."""

    labels: tuple[str, ...] = ()
    """Alerts with the same values of all of these labels are one incident, whatever their group."""
    debounce: Duration = timedelta(seconds=2)
    """An incident that is not critical is taken up only this long after its first alert."""
    linger: Duration = timedelta(minutes=5)
    """A resolved incident is closed after this time; an alert that comes back before reopens it."""
    storm: int = Field(default=25, ge=1)
    """With this many incidents waiting, new ones become members of one storm."""
    flaps: int = Field(default=3, ge=1)
    """An incident that came back this often is flapping: it stays with a person until it is quiet."""
    late: Duration = timedelta(minutes=6)
    """How long after a resolution a firing with an old start may be a late copy of another peer."""


class ReconcileSettings(Group):
    """The comparison with what Alertmanager has."""

    interval: Duration = timedelta(minutes=1)
    """Between two comparisons."""
    receivers: tuple[str, ...] = Field(default=("sre-daemon",), min_length=1)
    """The receivers in Alertmanager's configuration that post to this daemon."""


class WatchdogSettings(Group):
    """The alert that fires always, as a sign of life of the whole path."""

    alertname: str = Field(default="Watchdog", min_length=1)
    """Its name; it never becomes an incident."""
    stale_after: Duration = timedelta(minutes=10)
    """Once it was seen: when it is missing for this long, people are told."""


class RetentionSettings(Group):
    """How long is kept what is over."""

    notifications: Duration = timedelta(days=30)
    """The bytes of notifications."""
    incidents: Duration = timedelta(days=365)
    """Closed incidents with everything that belongs to them; post-mortem files stay."""


class WorkerSettings(Group):
    """The worker pool."""

    concurrency: int = Field(default=2, ge=1, le=64)
    """Incidents worked on at once."""
    lease: Duration = timedelta(seconds=15)
    """A worker that does not renew its claim for this long has lost it."""
    poll: Duration = timedelta(milliseconds=500)
    """How often due incidents are looked for when nothing wakes the worker."""


class ChannelSettings(Group):
    """Somewhere to tell people: an HTTP endpoint that is posted JSON."""

    kind: Literal["webhook"] = "webhook"
    """The only kind so far."""
    url: HttpUrl
    """Where to post."""


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
    config_root: Path | None = None
    """The tree whose `config/` folder the tools may see."""
    runtime: RuntimeSettings = RuntimeSettings()
    """What runs the services."""
    services: tuple[str, ...] = ()
    """Services that may be logged, restarted and redeployed; no other name is accepted."""
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
    notify: tuple[ChannelSettings, ...] = ()
    """Who is told, besides the log and the console."""

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])


class Secrets(Group):
    """What may not stand in a file that is committed. Each also as `NAME_FILE`."""

    anthropic_api_key: SecretStr | None = None
    """ANTHROPIC_API_KEY"""
    anthropic_base_url: str | None = None
    """ANTHROPIC_BASE_URL; not secret, but it belongs to the key."""
    webhook_token: SecretStr | None = None
    """SRE_DAEMON_WEBHOOK_TOKEN: what Alertmanager sends (bearer token, or basic auth password)."""
    api_token: SecretStr | None = None
    """SRE_DAEMON_API_TOKEN: for the API and the console."""
    store_password: SecretStr | None = None
    """SRE_DAEMON_STORE_PASSWORD: for `store: postgresql://…`."""


VARIABLES = {
    "anthropic_api_key": "ANTHROPIC_API_KEY",
    "anthropic_base_url": "ANTHROPIC_BASE_URL",
    "webhook_token": "SRE_DAEMON_WEBHOOK_TOKEN",
    "api_token": "SRE_DAEMON_API_TOKEN",
    "store_password": "SRE_DAEMON_STORE_PASSWORD",
}
PATH_FIELDS = (
    "data_dir",
    "config_root",
    "deployments",
    "policy",
    "guardrails",
    "health",
)


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
    if settings.runtime.socket is not None:
        update["runtime"] = settings.runtime.model_copy(
            update={"socket": base / settings.runtime.socket}
        )
    return settings.model_copy(update=update)


def load_secrets(beside: Path, environ: Mapping[str, str] | None = None) -> Secrets:
    """Read the secrets: environment first, then the `.env` file in the folder `beside`.

    Raises:
        ConfigError: a `NAME_FILE` variable names a file that cannot be read.
    """
    env = dict(os.environ if environ is None else environ)
    merged = {k: v for k, v in dotenv_values(beside / ".env").items() if v is not None} | env
    values: dict[str, str] = {}
    for field, name in VARIABLES.items():
        if merged.get(name):
            values[field] = merged[name]
        elif merged.get(f"{name}_FILE"):
            source = Path(merged[f"{name}_FILE"])
            values[field] = documents.read(source).strip()
    return Secrets.model_validate(values)


def check_front_door(settings: Settings, secrets: Secrets) -> None:
    """Refuse to listen without authentication, unless loopback and said so.

    Raises:
        ConfigError: with what to set.
    """
    if secrets.webhook_token is not None:
        return
    if not settings.receiver.allow_anonymous:
        raise ConfigError(
            "no token protects the webhook",
            "set SRE_DAEMON_WEBHOOK_TOKEN, or `receiver: {allow_anonymous: true}` on loopback",
        )
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        raise ConfigError(
            f"receiver.allow_anonymous with listen {settings.listen}",
            "anonymous notifications are only accepted on a loopback address",
        )


def client_environment() -> tuple[str, str]:
    """For the commands that ask a running daemon: its address and the API token."""
    token = load_secrets(Path()).api_token
    url = os.environ.get("SRE_DAEMON_URL", "http://127.0.0.1:9911")
    return url, token.get_secret_value() if token else ""


def webhook_environment() -> str:
    """The webhook token, for the command that plays Alertmanager."""
    token = load_secrets(Path()).webhook_token
    return token.get_secret_value() if token else ""


def environment(names: tuple[str, ...]) -> dict[str, str]:
    """The named variables that are set; what a child process may inherit."""
    return {name: os.environ[name] for name in names if name in os.environ}
