"""Loading a policy file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sre_daemon import documents
from sre_daemon.documents import Lines
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.intervals import NamedIntervals
from sre_daemon.policy.model import FleetLimits, PolicyDocument, Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid policy file; `digest` is the SHA-256 of its text, `lines` says where its parts stand."""

    mode: str
    policies: tuple[Rule, ...]
    digest: str
    intervals: Mapping[str, NamedIntervals] = field(default_factory=dict)
    limits: FleetLimits = field(default_factory=FleetLimits)
    lines: Lines = field(default=Lines(None), compare=False, repr=False)


def load(path: Path) -> Policy:
    """Read a file.

    Raises:
        PolicyFileError: naming file, line and key of every mistake.
    """
    return parse(documents.read(path, PolicyFileError), str(path))


def parse(text: str, name: str = "policy") -> Policy:
    """Read text; see `load`."""
    document, lines = documents.located(text, PolicyDocument, name, PolicyFileError)
    return Policy(
        mode=document.mode,
        policies=document.policies,
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        intervals={item.name: item for item in document.time_intervals},
        limits=document.limits,
        lines=lines,
    )
