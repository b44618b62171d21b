"""`policy test`: cases of alerts, a moment, a state and effects, each with the verdict that is expected.

Pure: a case says everything that the verdict depends on, so that the answer is the same tomorrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from sre_daemon import documents
from sre_daemon.documents import Lines
from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import Effect, EffectInvalid, from_json
from sre_daemon.domain.verdict import Decision, Reason, Verdict
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.asking import effect_of, moment_of
from sre_daemon.policy.decide import decide
from sre_daemon.policy.file import Policy
from sre_daemon.policy.part import Part
from sre_daemon.policy.question import Question
from sre_daemon.settings import Duration
from sre_daemon.store.base import Acted


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        # A plain one: YAML's own kind compares and prints in ways of its own.
        plain = datetime.fromisoformat(value.isoformat())
        return plain if plain.tzinfo else plain.replace(tzinfo=UTC)
    if isinstance(value, str):
        return moment_of(value)
    raise ValueError("write a time such as 2026-05-01T14:00:00Z")


def _effect(value: object) -> Effect:
    try:
        return effect_of(value) if isinstance(value, str) else from_json(value)
    except EffectInvalid as failure:
        raise ValueError(str(failure)) from None


Moment = Annotated[datetime, PlainValidator(_moment, json_schema_input_type=str)]
AnEffect = Annotated[Effect, PlainValidator(_effect, json_schema_input_type=str | dict[str, str])]


def _dict(value: object) -> object:
    """A copy without what YAML's own kind of mapping adds."""
    return dict(value) if isinstance(value, Mapping) else value


Labels = Annotated[dict[str, str], BeforeValidator(_dict)]


class Found(Part):
    """The diagnosis, as far as a policy looks at it."""

    engine: str = "claude"
    """Which engine made it: `claude` or `runbook`."""
    conclusive: bool = True
    """Whether the cause was found."""
    confidence: float = Field(default=1.0, ge=0, le=1)
    """The investigator's own."""
    supported: bool = True
    """Whether there is evidence, and all of it was found in the recorded tool output."""


class Begun(Part):
    """A repair of another incident that was begun before."""

    policy: str
    """Under this policy."""
    targets: tuple[str, ...] = ()
    """What it changed: `service:NAME` or `PATH#KEY`."""
    ago: Duration
    """So long before the moment of the case."""
    active: bool = False
    """It is not over yet."""
    labels: Labels = Field(default_factory=dict)
    """Of its incident."""


class Opened(Part):
    """Incidents that were opened before."""

    incidents: int = Field(ge=1, le=10_000)
    """So many."""
    ago: Duration
    """So long before the moment of the case."""


class State(Part):
    """What else the verdict depends on; what is left out stands in nobody's way."""

    paused: bool = False
    """The daemon is paused."""
    attempts: int = Field(default=0, ge=0, le=100)
    """Repairs already begun for this incident."""
    approved: bool = False
    """A person agreed to exactly these effects."""
    earned: dict[str, Autonomy] = Field(default_factory=dict)
    """Levels that policies have by their record, by name; a policy that is left out has its own."""
    guards: dict[str, bool | None] = Field(default_factory=dict)
    """What guards say, by their PromQL: true, false, or null for no data."""
    diagnosis: Found | None = None
    """Without it no diagnosis is looked at, as in `policy explain`."""
    begun: tuple[Begun, ...] = ()
    """What was repaired lately."""
    opened: tuple[Opened, ...] = ()
    """What was opened lately."""


class Expected(Part):
    """What the policy must say."""

    verdict: Decision
    """`allow`, `ask`, `shadow` or `deny`."""
    policy: str | None
    """The policy that decides; null when none matches."""
    reason: Reason | None = None
    """The reason, from the closed list; without it any reason is right."""


class Case(Part):
    """One case."""

    name: str = Field(min_length=1, max_length=200)
    """What it shows, as a sentence; no two cases share one."""
    alerts: tuple[Labels, ...] = Field(min_length=1)
    """The labels of the incident's firing alerts."""
    effects: tuple[AnEffect, ...] = ()
    """What is proposed, in the short form of `policy explain --effect` or as a mapping."""
    at: Moment | None = None
    """The moment; without it that of the file."""
    state: State = State()
    """What else is so."""
    expect: Expected
    """What the policy must say."""


class CaseFile(Part):
    """The whole file."""

    policy: str = Field(min_length=1)
    """The policy file, relative to this one."""
    at: Moment | None = None
    """The moment of cases that name none."""
    cases: tuple[Case, ...] = Field(min_length=1)
    """The cases; each stands for itself."""

    @field_validator("cases")
    @classmethod
    def distinct_names(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        """Two cases of one name could not be told apart."""
        names = [case.name for case in cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two cases have the name {twice[0]!r}")
        return cases

    @model_validator(mode="after")
    def timed(self) -> "CaseFile":
        """A test that takes the time of the day it runs on passes on some days."""
        for case in self.cases:
            self.moment(case)
        return self

    def moment(self, case: Case) -> datetime:
        """When a case is."""
        at = case.at or self.at
        if at is None:
            raise ValueError(f"{case.name!r} has no `at`, and the file has none either")
        return at


@dataclass(frozen=True, slots=True)
class Result:
    """What a case came to. `differences` is empty when all is as expected; `line` is that of the case."""

    case: Case
    line: int
    verdict: Verdict
    differences: Sequence[str]


def read(text: str, name: str) -> tuple[CaseFile, Lines]:
    """The cases of a text.

    Raises:
        PolicyFileError: naming file, line and key of every mistake.
    """
    return documents.located(text, CaseFile, name, PolicyFileError)


def run(policy: Policy, file: CaseFile, lines: Lines, name: str) -> list[Result]:
    """Ask the policy about each case.

    Raises:
        PolicyFileError: a case speaks of a policy or a guard that does not exist.
    """
    unknown = [
        f"{name}:{lines.of('cases', number, 'state', *place)}: {text}"
        for number, case in enumerate(file.cases)
        for place, text in _unknown(policy, case)
    ]
    if unknown:
        raise PolicyFileError("; ".join(unknown), "see docs/policy.md")
    return [
        _result(policy, case, file.moment(case), lines.of("cases", number))
        for number, case in enumerate(file.cases)
    ]


def _unknown(policy: Policy, case: Case) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What a state names in vain: it would prove nothing about what it means to."""
    rules = {rule.name for rule in policy.policies}
    guards = {query for rule in policy.policies for query in rule.guard_queries}
    for rule in case.state.earned:
        if rule not in rules:
            yield ("earned", rule), f"there is no policy {rule!r}"
    for query in case.state.guards:
        if query not in guards:
            yield ("guards", query), f"no policy has the guard {query!r}"
    for place, begun in enumerate(case.state.begun):
        if begun.policy not in rules:
            yield ("begun", place, "policy"), f"there is no policy {begun.policy!r}"


def _result(policy: Policy, case: Case, at: datetime, line: int) -> Result:
    verdict = decide(policy, _question(case, at))
    return Result(case, line, verdict, tuple(_differences(case.expect, verdict)))


def _question(case: Case, at: datetime) -> Question:
    state, found = case.state, case.state.diagnosis
    return Question(
        alerts=case.alerts,
        effects=case.effects,
        at=at,
        incident_id="this",
        diagnosis=None if found is None else _diagnosis(found),
        engine="" if found is None else found.engine,
        attempt=state.attempts,
        acted=[
            Acted(f"other-{n}", item.policy, item.targets, at - item.ago, item.active, item.labels)
            for n, item in enumerate(state.begun)
        ],
        opened=[at - item.ago for item in state.opened for _ in range(item.incidents)],
        earned=state.earned,
        guards=state.guards,
        approved=state.approved,
        paused=state.paused,
    )


def _diagnosis(found: Found) -> Diagnosis:
    evidence = Evidence("as the case says", "c1", "", supported=found.supported)
    return Diagnosis(found.conclusive, "as the case says", found.confidence, [evidence])


def _differences(expect: Expected, verdict: Verdict) -> Iterator[str]:
    if expect.verdict is not verdict.decision:
        yield f"verdict: expected {expect.verdict}, was {verdict.decision}"
    if (expect.policy or "") != verdict.policy:
        yield f"policy: expected {expect.policy or 'none'}, was {verdict.policy or 'none'}"
    if expect.reason is not None and expect.reason is not verdict.reason:
        yield f"reason: expected {expect.reason}, was {verdict.reason}"


def untried(policy: Policy, results: Sequence[Result]) -> list[str]:
    """The policies that decide no case."""
    tried = {result.verdict.policy for result in results}
    return [rule.name for rule in policy.policies if rule.name not in tried]
