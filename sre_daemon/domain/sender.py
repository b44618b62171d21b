"""Whoever may notify: an Alertmanager cluster, known by its token."""

import hashlib
from dataclasses import dataclass

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Sender:
    """`tenant` keeps the alerts of one cluster apart from those of others with the same labels.

    `token_id` names the token that was shown, and is not enough to show it.
    """

    tenant: str
    token_id: str = ""


def token_id(token: str) -> str:
    """A name for a token that can be kept and shown."""
    return hashlib.sha256(b"sre-daemon token\0" + token.encode()).hexdigest()[:12]
