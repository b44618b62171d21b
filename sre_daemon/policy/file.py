"""Loading a policy file, and what to warn about in one that loads."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sre_daemon import documents
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.intervals import NamedIntervals
from sre_daemon.policy.matchers import Matcher, Operator
from sre_daemon.policy.model import FleetLimits, PolicyDocument, Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid policy file; `digest` is the SHA-256 of its text."""

    mode: str
    policies: tuple[Rule, ...]
    digest: str
    intervals: Mapping[str, NamedIntervals] = field(default_factory=dict)
    limits: FleetLimits = field(default_factory=FleetLimits)


def load(path: Path) -> Policy:
    """Read a file.

    Raises:
        PolicyFileError: naming file, line and key of every mistake.
    """
    return parse(documents.read(path, PolicyFileError), str(path))


def parse(text: str, name: str = "policy") -> Policy:
    """Read text; see `load`."""
    document = documents.parse(text, PolicyDocument, name, PolicyFileError)
    return Policy(
        mode=document.mode,
        policies=document.policies,
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        intervals={item.name: item for item in document.time_intervals},
        limits=document.limits,
    )


def lint(policy: Policy) -> list[str]:
    """What is allowed but hardly meant: one sentence each."""
    warnings: list[str] = []
    if policy.mode != "act":
        warnings.append(f"mode is {policy.mode}: nothing is ever changed without a person")
    for number, rule in enumerate(policy.policies):
        if _contradictory(rule.parsed):
            warnings.append(f"{rule.name}: its matchers contradict each other; it never matches")
        warnings += [
            f"{rule.name}: never reached, because {earlier.name} matches the same alerts first"
            for earlier in policy.policies[:number]
            if {str(m) for m in earlier.parsed} <= {str(m) for m in rule.parsed}
        ]
        kinds = {allow.effect for allow in rule.allow}
        if kinds == {"config.set"}:
            warnings.append(
                f"{rule.name}: allows config.set but no restart or redeploy, so the service may "
                "never see the new value"
            )
    return warnings


def _contradictory(matchers: tuple[Matcher, ...]) -> bool:
    wanted: dict[str, set[str]] = {}
    for matcher in matchers:
        if matcher.operator is Operator.EQUAL:
            wanted.setdefault(matcher.name, set()).add(matcher.value)
    if any(len(values) > 1 for values in wanted.values()):
        return True
    fixed = {name: next(iter(values)) for name, values in wanted.items()}
    return not all(matcher.matches(fixed) for matcher in matchers if matcher.name in fixed)
