"""The audit log: one line for each decision, effect, approval, pause, reload and login, chained by hash.

The hash of a line is the SHA-256 of the line as it is exported, without the hash itself; the line
carries the hash of the one before. So whoever changes, removes or moves a line must write all
that follow anew; signed heads, kept elsewhere, show that and a missing end.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sre_daemon.domain.event import Kind, TimelineEvent

BEGINNING = "0" * 64
DAEMON = "daemon"


class AuditKind(StrEnum):
    """What a line is about."""

    DECISION = "decision"  # of the policy, of the gate, of the proof
    EFFECT = "effect"  # intended, and what became of it
    APPROVAL = "approval"  # asked for, granted, rejected, expired, void
    AUTONOMY = "autonomy"  # a policy earned or lost it
    HANDS = "hands"  # a person took an incident over, or gave it back
    PAUSE = "pause"  # paused, resumed
    RELOAD = "reload"  # the policy file was read again
    LOGIN = "login"  # of a person, into the console; those that failed, too
    START = "start"  # the daemon started


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What happened: an AuditKind, who did it (a person, or `daemon`), to what (an incident, or nothing)."""

    at: datetime
    kind: str
    who: str
    summary: str
    subject: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An entry in its place; see the module."""

    seq: int
    entry: AuditEntry
    previous: str
    hash: str

    @property
    def whole(self) -> bool:
        """Whether it is as it was written."""
        return self.hash == link(self.seq, self.entry, self.previous).hash

    def export(self) -> dict[str, Any]:
        """The line as JSON values, in the form that `audit export` writes."""
        return {**_form(self.seq, self.entry, self.previous), "hash": self.hash}


def link(seq: int, entry: AuditEntry, previous: str) -> AuditLine:
    """The entry as the line after the one with the hash `previous`."""
    return AuditLine(seq, entry, previous, _hash(_form(seq, entry, previous)))


def _form(seq: int, entry: AuditEntry, previous: str) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": entry.at.astimezone(UTC).isoformat(),
        "kind": str(entry.kind),
        "who": entry.who,
        "subject": entry.subject,
        "summary": entry.summary,
        "data": json.loads(canonical(entry.data)),
        "previous": previous,
    }


def canonical(value: object) -> str:
    """JSON in the only form that is hashed: sorted, without white space, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    # Keys that were no text are sorted as text only now.
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def _hash(form: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(form).encode()).hexdigest()


AUDITED: Mapping[Kind, AuditKind] = {
    Kind.VERDICT: AuditKind.DECISION,
    Kind.VERIFICATION: AuditKind.DECISION,
    Kind.EFFECT: AuditKind.EFFECT,
    Kind.ROLLBACK: AuditKind.EFFECT,
    Kind.APPROVAL: AuditKind.APPROVAL,
    Kind.AUTONOMY: AuditKind.AUTONOMY,
    Kind.HANDS: AuditKind.HANDS,
}


def audited(event: TimelineEvent) -> AuditEntry | None:
    """The line that a fact of the timeline is worth, written in the same transaction."""
    kind = AUDITED.get(event.kind)
    if kind is None:
        return None
    who = event.data.get("who")
    return AuditEntry(
        event.at,
        kind,
        who if isinstance(who, str) else DAEMON,
        event.summary,
        event.incident_id,
        event.data,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log at a time, signed; whoever has the key can tell it from a forged one."""

    seq: int
    hash: str
    at: datetime
    mac: str = ""

    def signed(self, key: bytes) -> "Head":
        """The same with its signature."""
        return Head(self.seq, self.hash, self.at, self._mac(key))

    def genuine(self, key: bytes) -> bool:
        """Whether whoever has this key signed it."""
        mac = self.mac.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(mac, self._mac(key).encode())

    def _mac(self, key: bytes) -> str:
        text = canonical([self.seq, self.hash, self.at.astimezone(UTC).isoformat()])
        return hmac.new(key, text.encode(), "sha256").hexdigest()


class Chain:
    """Walks the log in order and names everything that is wrong with it; keeps one line at a time.

    `heads` are what is known of it from elsewhere: hashes by number. `after` is the last line that
    is taken for granted, for whoever checks only what came since.
    """

    def __init__(self, heads: Mapping[int, str] | None = None, after: Head | None = None) -> None:
        self._heads = dict(heads or {})
        self.seq = after.seq if after else 0
        self.hash = after.hash if after else BEGINNING
        self.problems: list[str] = []

    def walk(self, lines: Iterable[AuditLine]) -> None:
        """Look at the next lines."""
        for line in lines:
            self._step(line)

    def _step(self, line: AuditLine) -> None:
        expected = self.seq + 1
        if line.seq != expected:
            missing = f"{expected}" if line.seq == expected + 1 else f"{expected} to {line.seq - 1}"
            self.problems.append(f"line {line.seq}: line {missing} is missing")
        elif line.previous != self.hash:
            self.problems.append(f"line {line.seq}: does not follow the line before it")
        if not line.whole:
            self.problems.append(f"line {line.seq}: was changed")
        known = self._heads.pop(line.seq, None)
        if known is not None and known != line.hash:
            self.problems.append(f"line {line.seq}: is another one than the signed head knows")
        self.seq, self.hash = line.seq, line.hash

    def end(self) -> Sequence[str]:
        """Everything that is wrong, when there are no more lines."""
        beyond = [seq for seq in self._heads if seq > self.seq]
        if beyond:
            self.problems.append(
                f"the end is missing: a signed head knows line {max(beyond)}, the log ends with "
                f"{self.seq}"
            )
        return self.problems
