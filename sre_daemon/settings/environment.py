"""The only reader of the environment: secrets from variables, `NAME_FILE` variables and a `.env` file."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from sre_daemon import documents
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import ConfigError
from sre_daemon.settings.base import Group
from sre_daemon.settings.file import Settings
from sre_daemon.settings.senders import senders

VARIABLES = {
    "anthropic_api_key": "ANTHROPIC_API_KEY",
    "anthropic_base_url": "ANTHROPIC_BASE_URL",
    "webhook_token": "SRE_DAEMON_WEBHOOK_TOKEN",
    "api_token": "SRE_DAEMON_API_TOKEN",
    "store_password": "SRE_DAEMON_STORE_PASSWORD",
    "smtp_password": "SRE_DAEMON_SMTP_PASSWORD",
    "pagerduty_routing_key": "PAGERDUTY_ROUTING_KEY",
    "pagerduty_api_key": "PAGERDUTY_API_KEY",
    "pagerduty_from_email": "PAGERDUTY_FROM_EMAIL",
    "pagerduty_webhook_secret": "PAGERDUTY_WEBHOOK_SECRET",
    "slack_bot_token": "SLACK_BOT_TOKEN",
    "slack_app_token": "SLACK_APP_TOKEN",
    "slack_signing_secret": "SLACK_SIGNING_SECRET",
    "pagerduty_service_id": "PAGERDUTY_SERVICE_ID",
    "pagerduty_url": "PAGERDUTY_URL",
    "confluence_base_url": "CONFLUENCE_BASE_URL",
    "confluence_api_token": "CONFLUENCE_API_TOKEN",
    "confluence_user_email": "CONFLUENCE_USER_EMAIL",
    "confluence_space_key": "CONFLUENCE_SPACE_KEY",
    "confluence_parent_page_id": "CONFLUENCE_PARENT_PAGE_ID",
    "audit_key": "SRE_DAEMON_AUDIT_KEY",
}
# 64 bits, when it is hexadecimal.
SHORTEST_TOKEN = 16


class Secrets(Group):
    """What may not stand in a file that is committed. Each also as `NAME_FILE`."""

    anthropic_api_key: SecretStr | None = None
    """ANTHROPIC_API_KEY"""
    anthropic_base_url: str | None = None
    """ANTHROPIC_BASE_URL; not secret, but it belongs to the key."""
    webhook_token: SecretStr | None = None
    """SRE_DAEMON_WEBHOOK_TOKEN: what Alertmanager sends (bearer token, or basic auth password);
    during a rotation the old and the new one, apart by white space."""
    api_token: SecretStr | None = None
    """SRE_DAEMON_API_TOKEN: for the API and the console, as an administrator; see `people`."""
    store_password: SecretStr | None = None
    """SRE_DAEMON_STORE_PASSWORD: for `store: postgresql://…`."""
    smtp_password: SecretStr | None = None
    """SRE_DAEMON_SMTP_PASSWORD: for a channel of kind `email` with a user name."""
    pagerduty_routing_key: SecretStr | None = None
    """PAGERDUTY_ROUTING_KEY: for a channel of kind `pagerduty`: an integration key of Events API v2."""
    pagerduty_api_key: SecretStr | None = None
    """PAGERDUTY_API_KEY: adds the PagerDuty tools, and lets the channel write notes at incidents."""
    pagerduty_from_email: str | None = None
    """PAGERDUTY_FROM_EMAIL: in whose name; not secret, but it belongs to the key."""
    pagerduty_webhook_secret: SecretStr | None = None
    """PAGERDUTY_WEBHOOK_SECRET: lets PagerDuty tell what people do there, to `/webhook/pagerduty`;
    while it is replaced the old and the new one, apart by white space."""
    slack_bot_token: SecretStr | None = None
    """SLACK_BOT_TOKEN: for a channel of kind `slack`, and for everything else in Slack (`xoxb-…`)."""
    slack_app_token: SecretStr | None = None
    """SLACK_APP_TOKEN: lets events come over Socket Mode (`xapp-…`); nothing of ours is reachable then."""
    slack_signing_secret: SecretStr | None = None
    """SLACK_SIGNING_SECRET: lets events come over HTTP, which Slack signs with it."""
    pagerduty_service_id: str | None = None
    """PAGERDUTY_SERVICE_ID: the service that the tools open incidents on; not secret."""
    pagerduty_url: str | None = None
    """PAGERDUTY_URL: base address of the REST API for the tools; EU accounts have another one."""
    confluence_base_url: str | None = None
    """CONFLUENCE_BASE_URL: together with the token it adds the Confluence tools; not secret."""
    confluence_api_token: SecretStr | None = None
    """CONFLUENCE_API_TOKEN: of the account that writes the pages."""
    confluence_user_email: str | None = None
    """CONFLUENCE_USER_EMAIL: the account; without it the token is one of a Data Center."""
    confluence_space_key: str | None = None
    """CONFLUENCE_SPACE_KEY: the space of the post-mortems; SRE when it is not set."""
    confluence_parent_page_id: str | None = None
    """CONFLUENCE_PARENT_PAGE_ID: the page below which post-mortems are made."""
    audit_key: SecretStr | None = None
    """SRE_DAEMON_AUDIT_KEY: signs the heads of the audit log; else a key is made in `data_dir`."""


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
    if load_senders(settings, secrets):
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


def load_senders(settings: Settings, secrets: Secrets) -> dict[str, Sender]:
    """Everybody who may notify, by token.

    Raises:
        ConfigError: a token cannot be read, is too short, or is used twice.
    """
    known = secrets.webhook_token
    return senders(known.get_secret_value() if known is not None else "", settings.tenants)


def load_people(settings: Settings, secrets: Secrets) -> dict[str, Person]:
    """Everybody with a token of their own, by token; the API token is an administrator's.

    Raises:
        ConfigError: a token cannot be read, is too short, or is somebody else's too.
    """
    found: dict[str, Person] = {}
    if secrets.api_token is not None:
        found[secrets.api_token.get_secret_value()] = Person("api admin", Role.ADMIN)
    taken = {*found, *load_senders(settings, secrets)}
    for known in settings.people:
        token = documents.read(known.token_file).strip()
        if len(token) < SHORTEST_TOKEN or not token.isascii():
            raise ConfigError(
                f"{known.token_file}: the token of {known.name} is too short, or not ASCII",
                "make one with `openssl rand -hex 24`",
            )
        if token in taken:
            raise ConfigError(
                f"{known.token_file}: the token of {known.name} is in use for something else",
                "everybody needs a token of their own, so that the record is true",
            )
        taken.add(token)
        found[token] = Person(known.name, known.role, known.groups)
    return found


def client_environment() -> tuple[str, str]:
    """For the commands that ask a running daemon: its address and the API token."""
    token = load_secrets(Path()).api_token
    url = os.environ.get("SRE_DAEMON_URL", "http://127.0.0.1:9911")
    return url, token.get_secret_value() if token else ""


def webhook_environment() -> str:
    """The webhook token, for the command that plays Alertmanager."""
    token = load_secrets(Path()).webhook_token
    return token.get_secret_value().split()[0] if token else ""
