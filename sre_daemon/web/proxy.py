"""People whom an authenticating proxy has logged in: believed from its addresses only."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from sre_daemon.domain.person import Person, Role
from sre_daemon.web.problems import Forbidden

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,126}")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """See settings/console.py."""

    trusted: Sequence[Network]
    user_header: str
    groups_header: str
    roles: Mapping[str, Role]
    everybody: Role | None

    def person(self, request: web.Request) -> Person | None:
        """Who the proxy says it is; None when this is not the proxy, or it says nothing.

        Raises:
            Forbidden: somebody without any role.
        """
        names = request.headers.getall(self.user_header, [])
        # Two headers are none: one of them would be somebody else's.
        if len(names) != 1 or not NAME.fullmatch(names[0]) or not self._is_peer(request):
            return None
        listed = ",".join(request.headers.getall(self.groups_header, []))
        groups = tuple(name.strip() for name in listed.split(",") if name.strip())
        roles = [self.roles[name] for name in groups if name in self.roles]
        if self.everybody is not None:
            roles.append(self.everybody)
        if not roles:
            raise Forbidden(
                f"{names[0]} has no role here", "`console.proxy.roles` gives roles to groups"
            )
        return Person(names[0], max(roles, key=lambda role: role.rank), groups)

    def _is_peer(self, request: web.Request) -> bool:
        try:
            peer = ipaddress.ip_address(request.remote or "")
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self.trusted)
