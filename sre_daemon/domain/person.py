"""A person who may look, answer or decide, and the three roles."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person may do; each role may everything that those before it may."""

    VIEWER = "viewer"  # look
    APPROVER = "approver"  # answer approvals, take an incident over, pause
    ADMIN = "admin"  # resume, raise a policy's autonomy

    @property
    def rank(self) -> int:
        """0 may the least."""
        return ROLES.index(self)


ROLES = (Role.VIEWER, Role.APPROVER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever holds a token. `groups` are names that a policy's `approvers` may use."""

    name: str
    role: Role
    groups: Collection[str] = ()

    def may(self, least: Role) -> bool:
        """Whether the role is enough."""
        return self.role.rank >= least.rank

    def is_one_of(self, names: Collection[str]) -> bool:
        """Whether one of the names is this person's or that of a group; no names mean everybody."""
        return not names or bool({self.name, *self.groups} & set(names))
