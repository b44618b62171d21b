"""The only reader of the environment in this package.

The gate's token comes from the environment alone, never from a file that could be committed.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from mcp_tools.errors import SettingsError
from mcp_tools.settings.documents import read

MIN_TOKEN = 16
TOKEN_VARIABLE = "MCP_TOOLS_GATE_TOKEN"  # noqa: S105 - the variable's name, not a token
HTTP_TOKEN_VARIABLE = "MCP_TOOLS_HTTP_TOKEN"  # noqa: S105 - the same
PATHS = {"HEALTH": "health", "POSTMORTEMS": "postmortems", "DEPLOYMENTS": "deployments"} | {
    "GUARDRAILS": "guardrails",
    "CONFIG_ROOT": "config_root",
    "BACKUPS": "backups",
    "REPOSITORY": "repository",
    "POLICY": "policy",
    "REDACTION_KEY": "redaction_key",
}
LISTS = {"ALERTMANAGER_URL": "alertmanagers", "SERVICES": "services", "RUNBOOKS": "runbooks"}
# The group exists when everything in the first tuple is set; values also from `NAME_FILE`.
PEOPLE = {
    "pagerduty": (
        ("PAGERDUTY_API_KEY",),
        ("PAGERDUTY_SERVICE_ID", "PAGERDUTY_FROM_EMAIL", "PAGERDUTY_URL"),
    ),
    "confluence": (
        ("CONFLUENCE_BASE_URL", "CONFLUENCE_API_TOKEN"),
        ("CONFLUENCE_USER_EMAIL", "CONFLUENCE_SPACE_KEY", "CONFLUENCE_PARENT_PAGE_ID"),
    ),
}
RUNTIME = ("KIND", "SOCKET", "HOST", "PROJECT", "FILE", "ENV_FILE")


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
        value = read(Path(file)).strip()
    if value and (len(value) < MIN_TOKEN or not value.isascii() or not value.isprintable()):
        raise SettingsError(
            f"{HTTP_TOKEN_VARIABLE} has fewer than {MIN_TOKEN} printable ASCII characters.",
            "Make one with: openssl rand -hex 32.",
        )
    return value


def environment_with(gate_token: str) -> dict[str, str]:
    """This process's environment for a child that may ask the gate."""
    own = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return own | ({TOKEN_VARIABLE: gate_token} if gate_token else {})


def from_environment(environ: Mapping[str, str] | None) -> dict[str, object]:
    """The settings that the environment gives, or without one `.env` in the working directory too."""
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
    return data | _people(environ)


def _people(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The groups whose keys are there."""
    found: dict[str, dict[str, str]] = {}
    for group, (needed, more) in PEOPLE.items():
        values = {name: _secret(environ, name) for name in (*needed, *more)}
        if all(values[name] for name in needed):
            found[group] = {
                name.lower().removeprefix(f"{group}_"): value
                for name, value in values.items()
                if value
            }
    return found


def _secret(environ: Mapping[str, str], name: str) -> str:
    file = environ.get(f"{name}_FILE", "")
    return environ.get(name, "") or (read(Path(file)).strip() if file else "")
