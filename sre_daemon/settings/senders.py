"""Who may notify: the tokens of Alertmanager clusters."""

from pathlib import Path

from pydantic import Field, HttpUrl

from sre_daemon import documents
from sre_daemon.domain.sender import DEFAULT, Sender, token_id
from sre_daemon.errors import ConfigError
from sre_daemon.settings.base import Group

SHORTEST = 16


class TenantSettings(Group):
    """Another Alertmanager cluster: its alerts are never taken for those of the first one."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """What tells its alerts from those of `default`, the cluster of SRE_DAEMON_WEBHOOK_TOKEN."""
    token_file: Path
    """A file with its token, of 16 characters at least; with two, on two lines, during a rotation."""
    alertmanagers: tuple[HttpUrl, ...] = ()
    """Every Alertmanager of that cluster, for the state of alerts and silences."""


def senders(webhook: str, tenants: tuple[TenantSettings, ...]) -> dict[str, Sender]:
    """Every token and whose it is; `webhook` holds one or two, apart by white space.

    Raises:
        ConfigError: a token cannot be read, is too short, or is used twice.
    """
    found = {token: Sender(DEFAULT, token_id(token)) for token in webhook.split()}
    for tenant in tenants:
        tokens = documents.read(tenant.token_file).split()
        if not tokens or not all(len(token) >= SHORTEST and token.isascii() for token in tokens):
            raise ConfigError(
                f"{tenant.token_file}: a token of {tenant.name} is too short, or not ASCII",
                "make one with `openssl rand -hex 24`",
            )
        for token in tokens:
            if token in found:
                raise ConfigError(
                    f"{tenant.token_file}: the token of {tenant.name} is in use for something else",
                    "every cluster needs a token of its own",
                )
            found[token] = Sender(tenant.name, token_id(token))
    return found
