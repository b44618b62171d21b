"""Settings of the tool server: a JSON file, or the environment and `.env`; and strict YAML for its files.

The only reader of the environment in this package. The gate's token comes from the environment
alone, never from a file that could be committed.
"""

import contextlib
import json
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    ValidationError,
    model_validator,
)

from mcp_tools.errors import SettingsError

log = logging.getLogger(__name__)
# No underscore in a server's name, so that NAME__TOOL can be read in one way only.
ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,24}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1 << 20
KEY_BYTES = 32
MIN_TOKEN = 16
TOKEN_VARIABLE = "MCP_TOOLS_GATE_TOKEN"  # noqa: S105 - the variable's name, not a token
HTTP_TOKEN_VARIABLE = "MCP_TOOLS_HTTP_TOKEN"  # noqa: S105 - the same


class Group(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


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
    repository: Path | None = None
    """A git repository whose log says what changed, e.g. the one of the configuration."""
    services: tuple[str, ...] = ()
    """Services that may be logged, restarted and redeployed; no other name is accepted."""
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
        return _validate(_from_environment(environ), ToolSettings, "the environment")
    try:
        data = json.loads(_read(path))
    except ValueError as failure:
        raise SettingsError(f"{path}: not valid JSON: {failure}.") from None
    return _validate(data, ToolSettings, str(path))


def token(environ: Mapping[str, str] | None = None) -> str:
    """The gate's token, or empty."""
    return (os.environ if environ is None else environ).get(TOKEN_VARIABLE, "")


def http_token(environ: Mapping[str, str] | None = None) -> str:
    """What clients of the HTTP transport must send, or empty; also from the file that `..._FILE` names.

    Raises:
        SettingsError: the file cannot be read, or the token is too short to be one.
    """
    env = os.environ if environ is None else environ
    value = env.get(HTTP_TOKEN_VARIABLE, "")
    file = env.get(f"{HTTP_TOKEN_VARIABLE}_FILE", "")
    if not value and file:
        value = _read(Path(file)).strip()
    if value and (len(value) < MIN_TOKEN or not value.isascii() or not value.isprintable()):
        raise SettingsError(
            f"{HTTP_TOKEN_VARIABLE} has fewer than {MIN_TOKEN} printable ASCII characters.",
            "Make one with: openssl rand -hex 32.",
        )
    return value


def masking_key(path: Path | None) -> bytes:
    """The installation's key of the masks, made on first use.

    Without a file that can be read or made it is one of this process alone: masks then differ from
    those of others, but nothing is shown for that.
    """
    if path is None:
        return secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            # Linked into place whole: another process never sees half a key.
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_hex(KEY_BYTES), encoding="ascii")
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as failure:
        log.warning("%s: no key of the masks can be read or made there: %s", path, failure)
        return secrets.token_bytes(KEY_BYTES)


def secret_of(file: Path) -> str:
    """The secret that a file holds.

    Raises:
        SettingsError: it cannot be read.
    """
    return _read(file).strip()


def environment_with(gate_token: str) -> dict[str, str]:
    """This process's environment for a child that may ask the gate."""
    own = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return own | ({TOKEN_VARIABLE: gate_token} if gate_token else {})


def read_yaml(path: Path, model: type[M]) -> M:
    """Read and validate a YAML file of the operator; duplicate and unknown keys are refused.

    Raises:
        SettingsError: naming the file and the key.
    """
    return _validate(parse_yaml(_read(path), str(path)), model, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """YAML text as plain data, safe types only.

    Raises:
        SettingsError: it is not valid YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as failure:
        problem = str(getattr(failure, "problem", None) or type(failure).__name__)
        mark = getattr(failure, "problem_mark", None)
        place = f":{mark.line + 1}" if mark is not None else ""
        raise SettingsError(f"{name}{place}: not valid YAML: {problem.splitlines()[0]}.") from None


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_BYTES} bytes.", "Shorten it.")
        return data.decode("utf-8")
    except OSError as failure:
        raise SettingsError(
            f"{path}: cannot be read: {failure.strerror}.", "Check the path and its permissions."
        ) from failure
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8.", "Save it as UTF-8 text.") from None


def _validate(data: object, model: type[M], name: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        mistakes = [
            f"{name}: {'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}"
            for item in failure.errors(include_url=False, include_context=False)
        ]
        raise SettingsError("; ".join(mistakes) + ".", "Correct it and start again.") from None


PATHS = {"HEALTH": "health", "POSTMORTEMS": "postmortems", "DEPLOYMENTS": "deployments"} | {
    "GUARDRAILS": "guardrails",
    "CONFIG_ROOT": "config_root",
    "BACKUPS": "backups",
    "REPOSITORY": "repository",
    "POLICY": "policy",
    "REDACTION_KEY": "redaction_key",
}
LISTS = {"ALERTMANAGER_URL": "alertmanagers", "SERVICES": "services", "RUNBOOKS": "runbooks"}
RUNTIME = ("KIND", "SOCKET", "HOST", "PROJECT", "FILE", "ENV_FILE")


def _from_environment(environ: Mapping[str, str] | None) -> dict[str, object]:
    if environ is None:
        from dotenv import dotenv_values

        stored = {name: value for name, value in dotenv_values(".env").items() if value is not None}
        environ = stored | dict(os.environ)
    data: dict[str, object] = {
        field: environ[name] for name, field in PATHS.items() if environ.get(name)
    }
    for name, field in LISTS.items():
        data[field] = [item.strip() for item in environ.get(name, "").split(",") if item.strip()]
    if environ.get("PROMETHEUS_URL"):
        data["prometheus"] = {"url": environ["PROMETHEUS_URL"]}
    if environ.get("LOKI_URL"):
        data["loki"] = {"url": environ["LOKI_URL"]}
    runtime = {
        name.lower(): environ[f"RUNTIME_{name}"]
        for name in RUNTIME
        if environ.get(f"RUNTIME_{name}")
    }
    if runtime:
        data["runtime"] = runtime
    elif environ.get("SUPERVISOR_SOCKET"):
        data["runtime"] = {"kind": "supervisor", "socket": environ["SUPERVISOR_SOCKET"]}
    return data
