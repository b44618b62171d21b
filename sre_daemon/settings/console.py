"""The console, where it stands behind a proxy that knows people."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from pydantic import Field

from sre_daemon.domain.person import Role
from sre_daemon.settings.base import Group

HEADER = r"^[A-Za-z0-9-]{1,64}$"


class ProxySettings(Group):
    """A proxy that logs people in and says in headers who they are."""

    trusted: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1)
    """Addresses that the proxy connects from; the same headers from anywhere else mean nothing."""
    user_header: str = Field(default="X-Forwarded-User", pattern=HEADER)
    """The header with the name. The proxy must remove it from what it is sent."""
    groups_header: str = Field(default="X-Forwarded-Groups", pattern=HEADER)
    """The header with groups, separated by commas."""
    roles: Mapping[str, Role] = {}
    """The role of each group; the highest one counts."""
    everybody: Role | None = None
    """The role of those who are in none of these groups; not set: they may not come in."""


class ConsoleSettings(Group):
    """The console."""

    proxy: ProxySettings | None = None
    """An authenticating proxy in front of it."""
